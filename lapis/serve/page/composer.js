// Where a question is written, and where pictures are dropped, pasted or picked.

import { button, make } from './dom.js';
import { notify } from './notices.js';
import { drop, MOST, read, Unfit } from './pictures.js';
import { say } from './words.js';

export class Composer {
  // `ask(text, pictures)`; `stop()`
  constructor({ ask, stop }) {
    Object.assign(this, { ask, stop, pictures: [], running: false });
    for (const name of ['composer', 'question', 'tray', 'send', 'file', 'add', 'veil']) this[name] = document.getElementById(name);
    this.listen();
    this.settle();
  }

  listen() {
    this.composer.addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.running) this.stop();
      else this.submit();
    });
    this.question.addEventListener('input', () => this.settle());
    this.question.addEventListener('keydown', (event) => this.key(event));
    this.add.addEventListener('click', () => this.file.click());
    this.file.addEventListener('change', () => {
      this.take([...this.file.files]);
      this.file.value = '';
    });
    document.addEventListener('paste', (event) => this.paste(event));
    this.listenToDrags();
  }

  listenToDrags() {
    const files = (event) => event.dataTransfer?.types.includes('Files');
    const veil = (shown) => { this.veil.hidden = !shown; };
    document.addEventListener('dragover', (event) => {
      if (!files(event)) return;
      event.preventDefault();
      veil(true);
    });
    document.addEventListener('dragleave', (event) => !event.relatedTarget && veil(false));
    document.addEventListener('drop', (event) => {
      if (!files(event)) return;
      event.preventDefault();
      veil(false);
      this.take([...event.dataTransfer.files]);
    });
  }

  // Enter within an input method picks a word and sends nothing.
  key(event) {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    if (!this.running) this.submit();
  }

  paste(event) {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length || document.querySelector('dialog[open]')) return;
    event.preventDefault();
    this.take(files);
  }

  async take(files) {
    for (const file of files) {
      if (this.pictures.length >= MOST) {
        notify(say('many_pictures', { n: MOST }));
        return;
      }
      await this.takeOne(file);
    }
    this.question.focus();
  }

  async takeOne(file) {
    try {
      const picture = await read(file);
      this.pictures.push(picture);
      this.tray.append(this.thumbnail(picture));
      this.settle();
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      notify(say(error.message, { name: file.name }));
    }
  }

  // It tells when the server has read the picture.
  thumbnail(picture) {
    const told = make('small', {}, say('reading'));
    const node = make('li', { class: 'busy' },
      make('img', { src: picture.url, alt: say('picture', { name: picture.name }) }), told,
      button(say('take_off', { name: picture.name }), 'close', () => this.takeOff(picture, node)));
    picture.upload().then((kept) => {
      node.classList.remove('busy');
      told.textContent = kept ? (kept.tiles === 1 ? say('tile') : say('tiles', { n: kept.tiles })) : '';
    });
    return node;
  }

  takeOff(picture, node) {
    this.pictures = this.pictures.filter((other) => other !== picture);
    node.remove();
    drop([picture.id]);
    this.settle();
    this.question.focus();
  }

  submit() {
    const text = this.question.value.trim();
    if (!text && !this.pictures.length) return;
    const pictures = this.pictures;
    this.pictures = [];
    this.tray.replaceChildren();
    this.question.value = '';
    this.settle();
    this.ask(text, pictures);
  }

  write(text) {
    this.question.value = text;
    this.settle();
    this.question.focus();
  }

  run(running) {
    this.running = running;
    this.settle();
  }

  settle() {
    const ready = this.question.value.trim() || this.pictures.length;
    this.tray.hidden = !this.pictures.length;
    this.send.disabled = !this.running && !ready;
    this.send.classList.toggle('stops', this.running);
    this.send.setAttribute('aria-label', say(this.running ? 'stop' : 'send'));
    this.send.title = this.send.getAttribute('aria-label');
    this.question.style.height = 'auto';
    this.question.style.height = `${this.question.scrollHeight}px`;
  }
}
