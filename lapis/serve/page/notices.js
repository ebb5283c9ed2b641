// Lines above the question that tell what went wrong, or what can be undone.

import { button, make } from './dom.js';
import { say } from './words.js';

const UNDO_SHOWN = 8000;

// A line that stays until it is closed. One that is there already is not said twice.
export function notify(text, tone = 'error') {
  const region = document.getElementById('notices');
  const same = [...region.children].find((line) => line.firstChild.textContent === text);
  if (same) return same;
  const line = make('div', { class: `notice ${tone}` }, make('p', {}, text),
    button(say('close'), 'close', () => line.remove()));
  region.append(line);
  return line;
}

// A line with a way back. `over` is called once, when the way back is closed.
export function offerUndo(text, undo, over) {
  const line = notify(text, 'calm');
  let open = true;
  const end = (work) => {
    if (!open) return;
    open = false;
    clearTimeout(timer);
    line.remove();
    work();
  };
  const timer = setTimeout(() => end(over), UNDO_SHOWN);
  const back = make('button', { type: 'button', class: 'plain', onclick: () => end(undo) }, say('undo'));
  line.lastChild.replaceWith(back, button(say('close'), 'close', () => end(over)));
}

// For those who hear the page: what just happened.
export function announce(text) {
  document.getElementById('status').textContent = text;
}
