// Conversations in localStorage, a key each, so that two tabs do not write over each other's.
//
// A conversation is {id, title, named, changed, messages}; a question {role: 'user', text, pictures: [id]}; an answer
// {role: 'assistant', text, thought, state, error, figures, finish} with state waiting, thinking, writing, done,
// stopped or failed.

import { freshId } from './pictures.js';
import * as shelf from './shelf.js';

const PREFIX = 'lapis.chat.';
const RUNNING = ['waiting', 'thinking', 'writing'];
const LONGEST_TITLE = 60;

export function fresh() {
  return { id: freshId(), title: '', named: false, changed: Date.now(), messages: [] };
}

// All of them, the latest first. What was cut by a reload was stopped.
export function all() {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
  return keys.map(parsed).filter(Boolean).sort((one, other) => other.changed - one.changed);
}

function parsed(key) {
  try {
    const chat = JSON.parse(localStorage.getItem(key));
    for (const message of chat.messages) if (RUNNING.includes(message.state)) message.state = 'stopped';
    return chat;
  } catch {
    return null;
  }
}

// Whether there was room for it.
export function save(chat) {
  try {
    localStorage.setItem(PREFIX + chat.id, JSON.stringify(chat));
    return true;
  } catch {
    return false;
  }
}

export function remove(chat) {
  localStorage.removeItem(PREFIX + chat.id);
}

export function isOurs(key) {
  return key === null || key.startsWith(PREFIX);
}

export function picturesOf(chat) {
  return chat.messages.flatMap((message) => message.pictures ?? []);
}

export function title(chat, text) {
  const line = text.trim().split('\n')[0];
  chat.title = line.length > LONGEST_TITLE ? `${line.slice(0, LONGEST_TITLE - 1)}…` : line;
}

// Pictures that no conversation names any more: the tab was closed before they could go.
export async function sweep() {
  const named = new Set(all().flatMap(picturesOf));
  const lost = (await shelf.ids()).filter((id) => !named.has(id));
  if (lost.length) await shelf.remove(lost);
}
