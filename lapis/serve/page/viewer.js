// A picture with its marks, as large as one likes.

import { button, make } from './dom.js';
import { marked } from './marks.js';
import { number, say } from './words.js';

const STEP = 1.5;
const [LEAST, MOST] = [0.1, 8];

export function view(picture, marks) {
  const stage = make('div', { class: 'stage', tabindex: '0' }, marked(picture, marks));
  const dialog = make('dialog', { class: 'viewer', 'aria-label': say('picture', { name: picture.name }) });
  const glass = new Glass(stage, picture, marks[0]?.at ?? [500, 500]);
  const bar = make('div', { class: 'bar' }, button(say('smaller'), 'less', () => glass.by(1 / STEP)), glass.label,
    button(say('larger'), 'more', () => glass.by(STEP)), button(say('fit'), 'fit', () => glass.fit()),
    button(say('close'), 'close', () => dialog.close()));
  dialog.append(stage, bar);
  const keys = { '+': () => glass.by(STEP), '=': () => glass.by(STEP), '-': () => glass.by(1 / STEP), 0: () => glass.fit() };
  dialog.addEventListener('keydown', (event) => keys[event.key]?.());
  dialog.addEventListener('click', (event) => event.target === stage && dialog.close());
  open(dialog, stage, glass);
}

function open(dialog, stage, glass) {
  const before = document.activeElement;
  document.body.append(dialog);
  dialog.showModal();
  stage.focus();
  const watch = new ResizeObserver(() => glass.fitted && glass.fit());
  watch.observe(stage);
  dialog.addEventListener('close', () => {
    watch.disconnect();
    dialog.remove();
    before?.focus();
  });
}

// The zoom of a stage, as a share of the picture's own pixels; `aim` (in thousandths) stays in the middle.
class Glass {
  constructor(stage, picture, aim) {
    Object.assign(this, { stage, picture, aim, zoom: 1, fitted: true, label: make('output', { 'aria-live': 'polite' }) });
  }

  fit() {
    const { clientWidth, clientHeight } = this.stage;
    this.set(Math.min(clientWidth / this.picture.width, clientHeight / this.picture.height, MOST));
    this.fitted = true;
  }

  by(factor) {
    this.set(Math.min(MOST, Math.max(LEAST, this.zoom * factor)));
    this.fitted = false;
  }

  set(zoom) {
    this.zoom = zoom;
    const shown = this.stage.firstChild;
    shown.style.width = `${this.picture.width * zoom}px`;
    this.label.textContent = say('zoom', { n: number(zoom * 100) });
    const [x, y] = [shown.offsetWidth * this.aim[0] / 1000, shown.offsetHeight * this.aim[1] / 1000];
    this.stage.scrollTo(x - this.stage.clientWidth / 2, y - this.stage.clientHeight / 2);
  }
}
