// The page: which conversation is open, which are being answered, and what each part asks of the others.

import { model } from './api.js';
import { Composer } from './composer.js';
import * as history from './history.js';
import { enterKey } from './keydialog.js';
import { announce, notify, offerUndo } from './notices.js';
import { drop, keep } from './pictures.js';
import { empty, reply } from './reply.js';
import { Settings } from './settings.js';
import { Sidebar, titleOf } from './sidebar.js';
import { Thread } from './thread.js';
import { dress, LANG, say } from './words.js';

const OPEN = 'lapis.open';
document.documentElement.lang = LANG;
dress(document);

const runs = new Map();
const settings = new Settings();
let chats = history.all();
let current = chats.find((chat) => chat.id === sessionStorage.getItem(OPEN)) ?? history.fresh();
const composer = new Composer({ ask, stop: () => runs.get(current.id)?.abort() });
const thread = new Thread({ retry, enterKey: () => enterKey().then((given) => given && retry()) });
const sidebar = new Sidebar({ open, rename, remove });

function show() {
  sidebar.show(chats, current, (chat) => runs.has(chat.id));
  document.getElementById('title').textContent = titleOf(current);
  document.title = current.title ? `${current.title} · Lapis` : 'Lapis';
  composer.run(runs.has(current.id));
}

function open(chat) {
  current = chat;
  sessionStorage.setItem(OPEN, chat.id);
  thread.show(chat);
  sidebar.toggle(false);
  show();
  composer.question.focus();
}

function save(chat) {
  chat.changed = Date.now();
  if (chats.includes(chat) && !history.save(chat)) notify(say('full'));
}

async function ask(text, pictures) {
  const chat = current;
  if (!chats.includes(chat)) chats.unshift(chat);
  if (!chat.title) history.title(chat, text || pictures[0].name);
  const message = { role: 'user', text, pictures: pictures.map((picture) => picture.id) };
  chat.messages.push(message);
  thread.add(message);
  save(chat);
  for (const picture of pictures) keep(picture).catch(() => notify(say('full_pictures')));
  await run(chat);
}

async function run(chat) {
  const answer = empty();
  const control = new AbortController();
  runs.set(chat.id, control);
  chat.messages.push(answer);
  if (chat === current) thread.add(answer);
  show();
  announce(say('waiting'));
  await reply(chat, answer, settings.values, control.signal, () => changed(answer));
  runs.delete(chat.id);
  save(chat);
  show();
  ended(chat, answer);
}

let told = '';

function changed(answer) {
  thread.update(answer);
  if (answer.state !== told && ['thinking', 'writing'].includes(answer.state)) announce(say(answer.state));
  told = answer.state;
}

async function ended(chat, answer) {
  reached(answer.error?.kind !== 'gone');
  if (chat !== current) return;
  thread.update(answer);
  announce(answer.state === 'done' ? `${say('answered')}: ${answer.text}` : answer.state === 'stopped' ? say('stopped') : '');
  if (answer.error?.kind === 'key' && (await enterKey())) retry();
}

// Asks the last question of the open conversation again.
function retry() {
  if (runs.has(current.id) || current.messages.at(-1)?.role !== 'assistant') return;
  current.messages.pop();
  thread.show(current);
  run(current);
}

function rename(chat, title) {
  if (title !== chat.title) {
    chat.title = title;
    if (!history.save(chat)) notify(say('full'));
  }
  show();
}

function remove(chat) {
  runs.get(chat.id)?.abort();
  const at = chats.indexOf(chat);
  chats.splice(at, 1);
  history.remove(chat);
  if (chat === current) open(history.fresh());
  else show();
  offerUndo(say('removed', { name: titleOf(chat) }), () => {
    chats.splice(at, 0, chat);
    history.save(chat);
    open(chat);
  }, () => drop(history.picturesOf(chat)));
}

// Another tab changed the list; what is being answered here stays as it is here.
function reread() {
  const here = new Map(chats.map((chat) => [chat.id, chat]));
  chats = history.all().map((chat) => (runs.has(chat.id) ? here.get(chat.id) : chat));
  const same = chats.find((chat) => chat.id === current.id);
  if (!same && current.messages.length) current = history.fresh();
  else if (same) current = same;
  if (!runs.has(current.id)) thread.show(current);
  show();
}

async function greet() {
  try {
    sidebar.model(await model(), true);
  } catch (error) {
    if (error.kind === 'key' && (await enterKey())) return greet();
    reached(error.kind !== 'gone');
    if (error.kind === 'gone') notify(say('gone'));
  }
}

let away = false;

// The server came back, or went.
function reached(is) {
  if (!is) sidebar.model('', false);
  else if (away) greet();
  away = !is;
}

// What runs is stopped by us: otherwise the browser's own hanging up would be taken for the server's.
function leave() {
  for (const chat of chats.filter(({ id }) => runs.has(id))) {
    runs.get(chat.id).abort();
    history.save(chat);
  }
}

function onKey(event) {
  if (event.key !== 'Escape' || event.defaultPrevented || document.querySelector('dialog[open]')) return;
  if (sidebar.isOpen()) sidebar.toggle(false);
  else if (runs.has(current.id)) runs.get(current.id).abort();
  else if (!settings.drawer.hidden) settings.toggle(false);
}

function start() {
  document.getElementById('new').addEventListener('click', () => open(history.fresh()));
  for (const node of document.querySelectorAll('[data-try]')) {
    node.addEventListener('click', () => composer.write(node.textContent));
  }
  document.getElementById('change-key').addEventListener('click', () => enterKey().then((given) => given && greet()));
  document.addEventListener('keydown', onKey);
  window.addEventListener('storage', (event) => history.isOurs(event.key) && reread());
  for (const name of ['beforeunload', 'pagehide']) window.addEventListener(name, leave);
  open(current);
  history.sweep().catch(() => {});
  greet();
}

start();
