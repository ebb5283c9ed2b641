// The little markdown that models write (code, bold, lists, headings), built by DOM calls. Links stay text.

import { button, make } from './dom.js';
import { copy } from './clipboard.js';
import { say } from './words.js';

const BULLET = /^\s*[-*•]\s+(.*)$/;
const COUNTED = /^\s*(\d{1,6})[.)]\s+(.*)$/;
const HEADING = /^#{1,6}\s+(.*)$/;
const FENCE = /^\s*```\s*([\w+-]*)\s*$/;
// Bold only at the edge of words, and no single stars: a product is not a stress.
const INLINE = /`([^`\n]+)`|(?<![\w*])\*\*(?=\S)([^*\n]+?)(?<=\S)\*\*(?![\w*])/g;

export function rendered(text) {
  const lines = text.split('\n');
  const out = document.createDocumentFragment();
  for (let at = 0; at < lines.length;) {
    const [node, next] = block(lines, at);
    if (node) out.append(node);
    at = next;
  }
  return out;
}

// [node or null, line after it]
function block(lines, at) {
  if (!lines[at].trim()) return [null, at + 1];
  if (FENCE.test(lines[at])) return fenced(lines, at);
  if (HEADING.test(lines[at])) return [make('h3', {}, ...inline(HEADING.exec(lines[at])[1])), at + 1];
  if (BULLET.test(lines[at])) return list(lines, at, BULLET, make('ul'));
  if (COUNTED.test(lines[at])) return list(lines, at, COUNTED, make('ol', { start: COUNTED.exec(lines[at])[1] }));
  return paragraph(lines, at);
}

function fenced(lines, at) {
  let end = at + 1;
  while (end < lines.length && !/^\s*```\s*$/.test(lines[end])) end += 1;
  return [code(lines.slice(at + 1, end).join('\n')), end + 1];
}

export function code(text) {
  return make('div', { class: 'code' }, make('pre', {}, make('code', {}, text)),
    button(say('code'), 'copy', (event) => copy(text, event.currentTarget)));
}

function list(lines, at, form, node) {
  let next = at;
  for (; next < lines.length && form.test(lines[next]); next += 1) {
    node.append(make('li', {}, ...inline(form.exec(lines[next]).at(-1))));
  }
  return [node, next];
}

function paragraph(lines, at) {
  let end = at + 1;
  const ends = [/^\s*$/, FENCE, HEADING, BULLET, COUNTED];
  while (end < lines.length && !ends.some((form) => form.test(lines[end]))) end += 1;
  return [make('p', {}, ...inline(lines.slice(at, end).join('\n'))), end];
}

function inline(text) {
  const nodes = [];
  let done = 0;
  for (const match of text.matchAll(INLINE)) {
    nodes.push(text.slice(done, match.index));
    nodes.push(match[1] === undefined ? make('strong', {}, match[2]) : make('code', {}, match[1]));
    done = match.index + match[0].length;
  }
  return [...nodes, text.slice(done)].filter((node) => node !== '');
}
