// A question as it stands in the conversation: its pictures, and its words.

import { make } from './dom.js';
import { find } from './pictures.js';
import { view } from './viewer.js';
import { say } from './words.js';

export function question(message) {
  const node = make('article', { class: 'question', 'aria-label': say('you') });
  if (message.pictures.length) node.append(make('div', { class: 'shots' }, ...message.pictures.map(shot)));
  if (message.text) node.append(make('p', {}, message.text));
  return node;
}

function shot(id) {
  const place = make('span', { class: 'shot' });
  find(id).then((picture) => place.replaceChildren(picture ? shown(picture) : say('gone_picture')));
  return place;
}

function shown(picture) {
  const image = make('img', { src: picture.url, alt: say('picture', { name: picture.name }), width: picture.width,
    height: picture.height });
  return make('button', { type: 'button', 'aria-label': say('enlarge', { name: picture.name }),
    onclick: () => view(picture, []) }, image);
}
