// An answer as it stands in the conversation: thought, words, places on the picture, what went wrong, and figures.

import { copy } from './clipboard.js';
import { button, make } from './dom.js';
import { picturesOf } from './history.js';
import { legend, marked } from './marks.js';
import { code, rendered } from './markdown.js';
import { find } from './pictures.js';
import { jsonOf, marksOf } from './points.js';
import { view } from './viewer.js';
import { number, say, sayTokens, seconds } from './words.js';

const RUNNING = ['waiting', 'thinking', 'writing'];
const TOLD = ['wrong', 'broken'];
const WORTH_TELLING = 20; // milliseconds

export class AnswerView {
  // `retry` asks again; `enterKey` asks for the key.
  constructor(chat, answer, { retry, enterKey }) {
    Object.assign(this, { chat, answer, retry, enterKey, text: null, marks: '[]' });
    this.label = make('span');
    this.thoughtText = make('div', { class: 'thought-text' });
    this.thought = make('details', { class: 'thought' }, make('summary', {}, this.label), this.thoughtText);
    this.wait = make('p', { class: 'wait' });
    this.words = make('div', { class: 'words' });
    this.places = make('div', { class: 'places' });
    this.trouble = make('div', { class: 'trouble' });
    this.foot = make('footer');
    this.node = make('article', { class: 'answer', 'aria-label': say('answer') }, this.thought, this.wait, this.words,
      this.places, this.trouble, this.foot);
    this.update(false);
  }

  update(last) {
    const { answer } = this;
    const running = RUNNING.includes(answer.state);
    this.node.classList.toggle('running', running);
    this.node.dataset.state = answer.state;
    this.updateThought();
    this.wait.hidden = answer.state !== 'waiting';
    this.wait.textContent = say(this.pictures().length ? 'waiting_picture' : 'waiting');
    this.updateWords();
    this.trouble.replaceChildren(...(answer.error ? this.error(last) : []));
    this.foot.hidden = running || (Boolean(answer.error) && !answer.text && !answer.thought);
    this.foot.replaceChildren(figures(answer), ...this.tools(last));
  }

  updateThought() {
    const { thought, state, figures: { thought: spent, thoughtTokens } } = this.answer;
    this.thought.hidden = !thought.trim();
    this.thought.classList.toggle('live', state === 'thinking');
    if (this.thoughtText.textContent !== thought.trim()) this.thoughtText.textContent = thought.trim();
    const told = (state === 'thinking' ? 'thinking' : 'thought') + (spent > WORTH_TELLING ? '_for' : '');
    const words = [say(told, { s: seconds(spent ?? 0) }), thoughtTokens ? sayTokens(thoughtTokens) : ''];
    this.label.textContent = words.filter(Boolean).join(' · ');
  }

  updateWords() {
    const { text, state } = this.answer;
    const silent = state === 'done' && !text.trim();
    if (this.text === text && !silent) return;
    this.text = text;
    const whole = text.trim();
    const json = whole.startsWith('{') && whole.endsWith('}') && jsonOf(whole).length === 1;
    this.words.replaceChildren(json ? code(whole) : silent ? make('p', { class: 'faint' }, say('empty')) : rendered(text));
    this.updateMarks();
  }

  // Pictures of the conversation up to this answer; it speaks of the last one.
  pictures() {
    return picturesOf({ messages: this.chat.messages.slice(0, this.chat.messages.indexOf(this.answer)) });
  }

  async updateMarks() {
    const marks = marksOf(this.text);
    const known = JSON.stringify(marks);
    if (known === this.marks) return;
    this.marks = known;
    const picture = marks.length ? await find(this.pictures().at(-1)) : null;
    if (known === this.marks) this.places.replaceChildren(...(picture ? [drawing(picture, marks)] : []));
  }

  error(last) {
    const { kind, detail, wait } = this.answer.error;
    const words = kind === 'busy' && wait ? say('busy_for', { s: wait }) : say(ERRORS[kind] ?? 'broken', { detail });
    const line = make('p', { role: 'alert' }, words);
    if (detail && !TOLD.includes(kind) && kind !== detail) line.append(make('small', {}, detail));
    if (!last) return [line];
    const [label, act] = kind === 'key' ? ['enter_key', this.enterKey] : ['retry', this.retry];
    return [line, make('button', { type: 'button', class: 'plain', onclick: act }, say(label))];
  }

  tools(last) {
    const made = this.answer.text ? [button(say('copy'), 'copy', (event) => copy(this.answer.text, event.currentTarget))] : [];
    if (last && !this.answer.error) made.push(button(say('retry'), 'retry', this.retry));
    return made;
  }
}

const ERRORS = {
  key: 'needs_key', forbidden: 'forbidden', busy: 'busy', gone: 'gone', cut_off: 'cut_off', large: 'large', long: 'long',
  slow: 'slow', stopping: 'stopping', wrong: 'wrong', broken: 'broken',
};

function drawing(picture, marks) {
  const face = make('button', { type: 'button', class: 'face', 'aria-label': say('enlarge', { name: picture.name }),
    onclick: () => view(picture, marks) }, marked(picture, marks));
  return make('figure', { 'aria-label': say('marks') }, face, make('figcaption', {}, legend(picture, marks)));
}

function figures({ figures: { tokens, thoughtTokens, first, speed, total }, finish, state }) {
  const words = [
    tokens === undefined ? '' : sayTokens(tokens),
    thoughtTokens ? say('of_thought', { n: number(thoughtTokens) }) : '',
    first === undefined ? '' : say('first', { s: seconds(first) }),
    speed ? say('speed', { n: number(speed, speed < 10 ? 1 : 0) }) : '',
    total === undefined ? '' : say('total', { s: seconds(total) }),
    state === 'stopped' ? say('stopped') : finish === 'length' ? say('cut') : '',
  ];
  return make('p', { class: 'figures' }, ...words.filter(Boolean).map((word) => make('span', {}, word)));
}
