// The conversation that is shown. It follows the text that comes, unless one has scrolled up to read.

import { AnswerView } from './answer.js';
import { question } from './question.js';

const NEAR = 60;

export class Thread {
  constructor(acts) {
    this.acts = acts;
    this.node = document.getElementById('thread');
    this.scroller = document.getElementById('scroll');
    this.welcome = document.getElementById('welcome');
    this.views = new Map();
    this.waiting = new Set();
    this.listen();
  }

  show(chat) {
    this.chat = chat;
    this.views.clear();
    this.node.replaceChildren();
    for (const message of chat.messages) this.node.append(this.made(message));
    this.settle();
    this.end();
  }

  made(message) {
    if (message.role === 'user') return question(message);
    const view = new AnswerView(this.chat, message, this.acts);
    this.views.set(message, view);
    return view.node;
  }

  // Which answer is the last decides what can be tried again.
  settle() {
    this.welcome.hidden = this.chat.messages.length > 0;
    for (const [message, view] of this.views) view.update(message === this.chat.messages.at(-1));
  }

  add(...messages) {
    for (const message of messages) this.node.append(this.made(message));
    this.settle();
    this.end();
  }

  // At most once a frame, however fast tokens come.
  update(message) {
    if (!this.waiting.size) requestAnimationFrame(() => this.flush());
    this.waiting.add(message);
  }

  flush() {
    for (const message of this.waiting) this.views.get(message)?.update(message === this.chat.messages.at(-1));
    this.waiting.clear();
  }

  // A thought that is unfolded in a finished answer is being read: the page stays where it is.
  listen() {
    const { scroller } = this;
    const near = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR;
    scroller.addEventListener('scroll', () => { this.follows = near(); }, { passive: true });
    this.node.addEventListener('click', (event) => { this.follows &&= Boolean(event.target.closest('.running')); });
    new ResizeObserver(() => this.follows && this.end()).observe(this.node);
  }

  end() {
    this.follows = true;
    this.scroller.scrollTo(0, this.scroller.scrollHeight);
  }
}
