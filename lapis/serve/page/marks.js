// A picture with marks on it. Marks lie in percent of the picture, so they are right at every zoom and size.

import { make } from './dom.js';
import { pixel } from './points.js';
import { say } from './words.js';

// A mark so near to the upper edge, in thousandths, has its number below.
const HIGH = 120;
const percent = (thousandths) => `${thousandths / 10}%`;

// The picture and its marks, both in one box that has the picture's size.
export function marked(picture, marks) {
  const image = make('img', { src: picture.url, alt: say('picture', { name: picture.name }),
    width: picture.width, height: picture.height, draggable: 'false' });
  return make('span', { class: 'marked' }, image, ...marks.map((mark, at) => drawn(mark, numbered(marks, at))));
}

const numbered = (marks, at) => (marks.length > 1 ? String(at + 1) : '');

function drawn(mark, number) {
  const title = [number, mark.label].filter(Boolean).join(' · ');
  if (mark.kind === 'box') return box(mark, number, title);
  if (mark.kind === 'path') return path(mark, number, title);
  return spot(mark.at, 'point', number, title);
}

function spot([x, y], kind, number, title) {
  const side = y < HIGH ? ' high' : '';
  const node = make('span', { class: `mark ${kind}${side}`, title }, number ? make('b', {}, number) : null);
  node.style.left = percent(x);
  node.style.top = percent(y);
  return node;
}

function box({ at: [left, top], to: [right, bottom] }, number, title) {
  const node = spot([left, top], 'box', number, title);
  node.style.width = percent(right - left);
  node.style.height = percent(bottom - top);
  return node;
}

function path({ at, to }, number, title) {
  const space = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(space, 'svg');
  svg.setAttribute('class', 'way');
  svg.setAttribute('viewBox', '0 0 1000 1000');
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('aria-hidden', 'true');
  for (const kind of ['halo', 'line']) {
    const line = document.createElementNS(space, 'line');
    const ends = { x1: at[0], y1: at[1], x2: to[0], y2: to[1], class: kind };
    for (const [name, value] of Object.entries(ends)) line.setAttribute(name, value);
    svg.append(line);
  }
  return make('span', { class: 'path' }, svg, spot(at, 'point', number, title), spot(to, 'end', '', title));
}

// What the marks mean, in words and in pixels of the picture.
export function legend(picture, marks) {
  const across = (value) => pixel(value, picture.width);
  const down = (value) => pixel(value, picture.height);
  return make('ol', { class: marks.length > 1 ? 'legend counted' : 'legend' }, ...marks.map(({ at, to, label }) => {
    const ends = to ? { x2: across(to[0]), y2: down(to[1]) } : {};
    const place = say(to ? 'pixels' : 'pixel', { x: across(at[0]), y: down(at[1]), ...ends });
    return make('li', {}, label ? make('b', {}, label) : null, make('span', {}, place));
  }));
}
