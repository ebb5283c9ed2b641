// One sample at a time: shown, judged with a key, kept at once; the next unchecked one comes by itself.

import { show } from './sample.js';

const at = (id) => document.getElementById(id);
const VERDICTS = ['right', 'wrong', 'unsure'];
const KEYS = { y: 'right', x: 'wrong', u: 'unsure' };
const state = { samples: [], here: 0 };

async function ask(path, options) {
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json();
}

async function told(work) {
  try {
    await work();
    at('trouble').hidden = true;
  } catch (error) {
    at('trouble').textContent = `Not kept: ${error.message}`;
    at('trouble').hidden = false;
  }
}

async function go(number) {
  const here = Math.max(0, Math.min(state.samples.length - 1, number));
  const sample = await ask(`samples/${here}`);
  state.here = here;
  location.replace(`#${here + 1}`);
  at('sample').replaceChildren(...show(sample));
  at('sample').scrollTop = 0;
  at('note').value = state.samples[here].note;
  draw();
}

function draw() {
  const { samples, here } = state;
  const counts = VERDICTS.map((verdict) => samples.filter((one) => one.verdict === verdict).length);
  VERDICTS.forEach((verdict, place) => {
    document.querySelector(`#bar .${verdict}`).style.setProperty('--part', counts[place] / samples.length);
    const button = document.querySelector(`[data-verdict="${verdict}"]`);
    button.setAttribute('aria-pressed', String(samples[here].verdict === verdict));
  });
  at('counts').textContent = VERDICTS.map((verdict, place) => `${counts[place]} ${verdict}`).join(', ');
  at('bar').setAttribute('aria-label', at('counts').textContent);
  at('place').textContent = `${here + 1} of ${samples.length}`;
}

function unchecked() {
  const { samples, here } = state;
  const order = samples.map((_, step) => (here + 1 + step) % samples.length);
  return order.find((number) => !samples[number].verdict) ?? here;
}

async function keep(verdict) {
  const number = state.here;
  const body = JSON.stringify({ verdict, note: at('note').value });
  const headers = { 'content-type': 'application/json' };
  const kept = await ask(`samples/${number}/check`, { method: 'POST', headers, body });
  Object.assign(state.samples[number], kept);
  at('note').blur();
  await go(unchecked());
}

const ACTS = {
  j: () => go(state.here + 1),
  k: () => go(state.here - 1),
  ArrowRight: () => go(state.here + 1),
  ArrowLeft: () => go(state.here - 1),
  o: () => go(unchecked()),
  t: () => document.querySelectorAll('#sample details').forEach((one) => { one.open = !one.open; }),
  n: () => at('note').focus(),
};

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === at('note')) {
    if (event.key === 'Enter' || event.key === 'Escape') at('note').blur();
    return;
  }
  const act = KEYS[event.key] ? () => keep(KEYS[event.key]) : ACTS[event.key];
  if (!act) return;
  event.preventDefault();
  told(async () => act());
});
for (const button of document.querySelectorAll('[data-verdict]')) {
  button.addEventListener('click', () => told(() => keep(button.dataset.verdict)));
}
at('back').addEventListener('click', () => told(ACTS.k));
at('next').addEventListener('click', () => told(ACTS.j));
at('open').addEventListener('click', () => told(ACTS.o));

told(async () => {
  const all = await ask('samples');
  state.samples = all.samples;
  at('file').textContent = all.file;
  const first = all.samples.findIndex((one) => !one.verdict);
  await go(location.hash ? Number(location.hash.slice(1)) - 1 || 0 : Math.max(0, first));
});
