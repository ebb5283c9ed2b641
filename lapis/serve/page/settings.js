// How questions are asked: thinking and its budget beside the question, the rest in a drawer. Kept in the browser.

import { make } from './dom.js';
import { number, say, sayTokens } from './words.js';

const KEY = 'lapis.settings';
const BUDGETS = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096, -1];
const DEFAULTS = { think: false, budget: 256, temperature: 0, longest: 0 };

export class Settings {
  constructor() {
    this.values = { ...DEFAULTS, ...kept() };
    for (const name of ['think', 'budget', 'temperature', 'longest']) this[name] = document.getElementById(name);
    this.drawer = document.getElementById('drawer');
    this.opener = document.getElementById('settings');
    this.fill();
    for (const input of [this.think, this.budget, this.temperature, this.longest]) {
      input.addEventListener('input', () => this.read());
    }
    this.opener.addEventListener('click', () => this.toggle(this.drawer.hidden));
  }

  fill() {
    const { think, budget, temperature, longest } = this.values;
    document.getElementById('ticks').replaceChildren(...BUDGETS.map((step) => make('span', {}, short(step))));
    this.think.checked = think;
    this.budget.max = BUDGETS.length - 1;
    this.budget.value = Math.max(0, BUDGETS.indexOf(budget));
    this.temperature.value = temperature;
    this.longest.value = longest || '';
    this.show();
  }

  read() {
    this.values = {
      think: this.think.checked,
      budget: BUDGETS[this.budget.value],
      temperature: Number(this.temperature.value),
      longest: Math.max(0, Math.floor(Number(this.longest.value))),
    };
    keep(this.values);
    this.show();
  }

  show() {
    const { think, budget, temperature } = this.values;
    const told = budget < 0 ? say('no_limit') : sayTokens(budget);
    document.getElementById('budget-row').hidden = !think;
    document.getElementById('budget-told').textContent = told;
    document.getElementById('temperature-told').textContent = number(temperature, 1);
    this.budget.setAttribute('aria-valuetext', told);
    this.budget.style.setProperty('--part', this.budget.value / (BUDGETS.length - 1));
    this.temperature.style.setProperty('--part', temperature / this.temperature.max);
  }

  toggle(open) {
    this.drawer.hidden = !open;
    this.opener.setAttribute('aria-expanded', String(open));
    if (open) this.temperature.focus();
    else this.opener.focus();
  }
}

const short = (step) => (step < 0 ? '∞' : step < 1024 ? String(step) : `${step / 1024}K`);

function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

// A full store keeps the settings for this tab only, which nobody misses.
function keep(values) {
  try {
    localStorage.setItem(KEY, JSON.stringify(values));
  } catch (error) {
    console.warn(error);
  }
}
