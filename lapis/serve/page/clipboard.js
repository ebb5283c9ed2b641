// Copying text, also where the page comes over plain HTTP and the browser has no clipboard for it.

import { icon, make } from './dom.js';
import { notify } from './notices.js';
import { say } from './words.js';

const SHOWN = 1500;

export async function copy(text, control) {
  if (!(await written(text))) {
    notify(say('not_copied'));
    return;
  }
  const [before, label] = [control.firstChild, control.getAttribute('aria-label')];
  if (label === say('copied')) return;
  control.replaceChildren(icon('done'));
  control.setAttribute('aria-label', say('copied'));
  setTimeout(() => {
    control.replaceChildren(before);
    control.setAttribute('aria-label', label);
  }, SHOWN);
}

async function written(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
  const area = make('textarea', { class: 'unseen' });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  return done;
}
