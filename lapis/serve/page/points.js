// Places that an answer names: `(123,456)` in thousandths of the picture, four numbers for a box (left, top, right,
// bottom), and JSON actions with `coordinate` and `coordinate2`.

const SCALE = 1000;
const NUMBER = String.raw`\s*(\d{1,4}(?:\.\d+)?)\s*`;
const PLACE = new RegExp(String.raw`[(\[]${NUMBER},${NUMBER}(?:,${NUMBER},${NUMBER})?[)\]]`, 'g');
const AFTER_PLACE = /[)\]\uff09\uff3d]/;
const EDGES = /^[\s,;:.\-\u2022\uff0c\uff1b\uff1a\u3001\u3002]+|[\s,;:\-\u2013\uff0c\uff1b\uff1a]+$/g;
const LONGEST_LABEL = 60;
const WIDE = /[\uff01-\uff5e]/g;

// Full-width brackets, digits and commas as ASCII, one character each, so that places in the text stay.
function narrow(text) {
  return text.replace(WIDE, (wide) => String.fromCharCode(wide.charCodeAt(0) - 0xfee0));
}

// Marks in the order of the text: {kind: point, box or path, at: [x, y], to: [x, y] or null, label}.
export function marksOf(text) {
  const actions = jsonOf(text).map(fromAction).filter(Boolean);
  return actions.length ? actions : fromText(text);
}

function fromText(text) {
  const narrowed = narrow(text);
  const marks = [];
  for (const match of narrowed.matchAll(PLACE)) {
    const numbers = match.slice(1).filter((part) => part !== undefined).map(Number);
    const label = labelBefore(text.slice(0, match.index));
    const mark = numbers.length === 4 ? box(numbers, label) : point(numbers, label);
    if (mark) marks.push(mark);
  }
  return marks;
}

const inside = (numbers) => numbers.every((value) => value >= 0 && value <= SCALE);

function point(numbers, label) {
  return inside(numbers) ? { kind: 'point', at: numbers, to: null, label } : null;
}

function box([left, top, right, bottom], label) {
  if (!inside([left, top, right, bottom]) || right <= left || bottom <= top) return null;
  return { kind: 'box', at: [left, top], to: [right, bottom], label };
}

// What stands on the same line before a place, from the place before it on: an answer says the name, then where it is.
function labelBefore(text) {
  const words = text.split('\n').at(-1).split(AFTER_PLACE).at(-1).replace(/[*`#]/g, '');
  return words.replace(/^\s*\d+[.)]\s/, '').replace(EDGES, '').slice(-LONGEST_LABEL);
}

// Every outermost JSON object in the text.
export function jsonOf(text) {
  const found = [];
  for (let at = text.indexOf('{'); at >= 0; at = text.indexOf('{', at)) {
    const end = closing(text, at);
    const value = end < 0 ? undefined : parse(text.slice(at, end));
    if (value !== undefined) found.push(value);
    at = value === undefined ? at + 1 : end;
  }
  return found;
}

function closing(text, start) {
  let depth = 0;
  let quoted = false;
  for (let at = start; at < text.length; at += 1) {
    if (quoted && text[at] === '\\') at += 1;
    else if (text[at] === '"') quoted = !quoted;
    else if (!quoted && text[at] === '{') depth += 1;
    else if (!quoted && text[at] === '}' && --depth === 0) return at + 1;
  }
  return -1;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function fromAction(given) {
  const action = { ...given, ...(given.arguments ?? given.parameters) };
  const [at, to] = [pair(action.coordinate), pair(action.coordinate2)];
  if (!at) return null;
  const words = [action.action ?? action.name, action.target, action.text].filter((word) => typeof word === 'string');
  return { kind: to ? 'path' : 'point', at, to, label: words.join(' · ').slice(0, LONGEST_LABEL) };
}

function pair(value) {
  const fits = Array.isArray(value) && value.length === 2 && value.every(Number.isFinite) && inside(value);
  return fits ? value : null;
}

// Pixels of a picture that is `size` pixels long there; the last pixel is the last.
export function pixel(thousandths, size) {
  return Math.min(size - 1, Math.floor((thousandths / SCALE) * size));
}
