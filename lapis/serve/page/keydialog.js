// Asks for the server's API key.

import { key } from './api.js';
import { say } from './words.js';

// Whether a key was given.
export function enterKey() {
  const dialog = document.getElementById('key-dialog');
  const input = document.getElementById('key');
  const form = dialog.querySelector('form');
  if (dialog.open) return Promise.resolve(false);
  document.getElementById('key-told').textContent = say(key.get() ? 'key_wrong' : 'key_more');
  input.value = '';
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      const given = dialog.returnValue === 'keep' && input.value.trim();
      if (given) key.set(input.value.trim());
      form.reset();
      resolve(Boolean(given));
    }, { once: true });
  });
}
