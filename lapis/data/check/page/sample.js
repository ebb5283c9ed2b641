// A sample as elements. Whatever stands in it can only ever become text.

const SPACE = 'http://www.w3.org/2000/svg';
const POINT = /\(\s*(\d{1,4}(?:\.\d+)?)\s*,\s*(\d{1,4}(?:\.\d+)?)\s*\)/g;
const LONG = 1500;

function make(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function drawing(tag, props) {
  const node = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  return node;
}

function folded(title, text, open) {
  const box = make('details', {}, make('summary', {}, title), make('pre', {}, text));
  box.open = open;
  return box;
}

function points(turns) {
  const answers = turns.filter((turn) => turn.role === 'assistant').flatMap((turn) => turn.parts);
  const text = answers.map((part) => part.text ?? '').join('\n');
  return [...text.matchAll(POINT)].map((found) => [Number(found[1]), Number(found[2])])
    .filter(([x, y]) => x <= 1000 && y <= 1000);
}

function picture(part, boxes, marks) {
  const over = drawing('svg', { viewBox: '0 0 1000 1000', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
  for (const [x, y, width, height] of boxes) over.append(drawing('rect', { x, y, width, height }));
  for (const [x, y] of marks) over.append(drawing('path', { d: `M${x - 12} ${y}h24M${x} ${y - 12}v24` }));
  const image = make('img', { src: part.image, width: part.width, height: part.height, alt: 'picture of the sample' });
  image.style.height = 'auto';
  return make('figure', {}, image, over);
}

function message(turn, sample, marks) {
  const block = make('section', { class: `turn ${turn.role}` }, make('h2', {}, turn.role));
  if (turn.thought) block.append(folded(`Thought, ${turn.thought.length} characters`, turn.thought, false));
  for (const part of turn.parts) {
    if (part.image) block.append(picture(part, sample.boxes, marks));
    else if (part.text.length > LONG) block.append(folded(`Text, ${part.text.length} characters`, part.text, true));
    else block.append(make('p', {}, part.text));
  }
  return block;
}

function facts(sample) {
  const rows = { kind: sample.kind, language: sample.lang, source: sample.source, licence: sample.licence };
  if (sample.budget !== null) rows.budget = sample.budget;
  for (const [name, value] of Object.entries(sample.meta)) {
    rows[name] = typeof value === 'string' ? value : JSON.stringify(value);
  }
  const list = make('dl');
  for (const [name, value] of Object.entries(rows)) list.append(make('dt', {}, name), make('dd', {}, String(value)));
  return list;
}

export function show(sample) {
  const marks = points(sample.turns);
  return [...sample.turns.map((turn) => message(turn, sample, marks)), facts(sample)];
}
