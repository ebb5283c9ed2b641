// The list of conversations: open, rename, delete.

import { button, make } from './dom.js';
import { say } from './words.js';

const titleOf = (chat) => chat.title || say('untitled');

export class Sidebar {
  // `open(chat)`, `rename(chat, title)`, `remove(chat)`
  constructor(acts) {
    this.acts = acts;
    this.list = document.getElementById('list');
    this.menu = document.getElementById('menu');
    this.menu.addEventListener('click', () => this.toggle(!this.isOpen()));
    document.getElementById('shade').addEventListener('click', () => this.toggle(false));
  }

  show(chats, current, running) {
    const today = new Date().setHours(0, 0, 0, 0);
    const parts = [['today', chats.filter((chat) => chat.changed >= today)],
      ['earlier', chats.filter((chat) => chat.changed < today)]];
    const groups = parts.filter(([, part]) => part.length).map(([name, part]) => make('section', {},
      make('h2', {}, say(name)), make('ul', {}, ...part.map((chat) => this.entry(chat, chat === current, running(chat))))));
    this.list.replaceChildren(...(chats.length ? groups : [make('p', { class: 'faint' }, say('none_yet'))]));
  }

  entry(chat, current, running) {
    const name = titleOf(chat);
    const open = make('button', { type: 'button', class: 'open', title: name, onclick: () => this.acts.open(chat),
      ...(current ? { 'aria-current': 'true' } : {}) }, name);
    const node = make('li', { class: running ? 'running' : '' }, open,
      button(say('rename', { name }), 'rename', () => this.rename(chat, node)),
      button(say('remove', { name }), 'remove', () => this.acts.remove(chat)));
    return node;
  }

  rename(chat, node) {
    const input = make('input', { type: 'text', value: titleOf(chat), maxlength: '80', 'aria-label': say('new_name') });
    let done = false;
    const end = (title) => {
      if (done) return;
      done = true;
      this.acts.rename(chat, title);
    };
    input.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.isComposing) end(input.value.trim() || chat.title);
      if (event.key === 'Escape') end(chat.title);
      event.stopPropagation();
    });
    input.addEventListener('blur', () => end(input.value.trim() || chat.title));
    node.replaceChildren(input);
    input.select();
  }

  isOpen() {
    return document.body.classList.contains('listing');
  }

  // Where the window is narrow the list lies over the conversation.
  toggle(open) {
    document.body.classList.toggle('listing', open);
    this.menu.setAttribute('aria-expanded', String(open));
  }

  model(name, reached) {
    const node = document.getElementById('model');
    node.textContent = reached ? name || say('no_model') : say('offline');
    node.classList.toggle('away', !reached);
  }
}

export { titleOf };
