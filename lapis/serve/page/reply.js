// One answer, from the request to its last figure.

import * as api from './api.js';
import { find } from './pictures.js';

const MEASURABLE = 50; // milliseconds: pieces that came in less were not written one by one

export function empty() {
  return { role: 'assistant', text: '', thought: '', state: 'waiting', error: null, figures: {}, finish: '' };
}

// Fills `answer` (the last message of `chat`), calling `changed` after each piece. Never throws: what went wrong is
// written into the answer.
export async function reply(chat, answer, settings, signal, changed) {
  const clock = new Clock(answer, changed);
  try {
    for await (const chunk of asked(chat, answer, settings, signal)) clock.take(chunk);
    answer.state = signal.aborted ? 'stopped' : 'done';
  } catch (error) {
    answer.state = signal.aborted ? 'stopped' : 'failed';
    if (!signal.aborted) answer.error = told(error);
  }
  clock.end();
}

function told(error) {
  if (!(error instanceof api.Refused)) console.error(error);
  const { kind = 'broken', detail = error.message, wait = 0 } = error;
  return { kind, detail, wait };
}

// Asks with pictures by their name on the server, and once more with the pictures themselves where it lost them.
async function* asked(chat, answer, settings, signal) {
  const before = chat.messages.slice(0, chat.messages.indexOf(answer));
  const model = await orAbort(api.model(), signal);
  for (const again of [false, true]) {
    const messages = await orAbort(spoken(before), signal);
    const named = JSON.stringify(messages).includes('lapis://');
    try {
      yield* api.ask({ model, messages, ...fields(settings) }, signal);
      return;
    } catch (error) {
      if (again || !named || ![400, 404, 422].includes(error.status)) throw error;
      await forget(before);
    }
  }
}

async function forget(messages) {
  for (const id of messages.flatMap((message) => message.pictures ?? [])) (await find(id))?.forget();
}

// The conversation as the server wants it. Thoughts stay out, and so do answers that never came.
async function spoken(messages) {
  const said = [];
  for (const message of messages) {
    if (message.role === 'user') said.push({ role: 'user', content: await parts(message) });
    else if (message.text) said.push({ role: 'assistant', content: message.text });
  }
  return said;
}

async function parts({ text, pictures = [] }) {
  const found = (await Promise.all(pictures.map(find))).filter(Boolean);
  if (!found.length) return text;
  const urls = await Promise.all(found.map((picture) => picture.address()));
  return [...urls.map((url) => ({ type: 'image_url', image_url: { url } })), { type: 'text', text }];
}

function fields({ think, budget, temperature, longest }) {
  return {
    stream: true,
    stream_options: { include_usage: true },
    temperature,
    chat_template_kwargs: { enable_thinking: think },
    ...(think ? { thinking_token_budget: budget } : {}),
    ...(longest ? { max_tokens: longest } : {}),
  };
}

function orAbort(promise, signal) {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    if (signal.aborted) reject(signal.reason);
    promise.then(resolve, reject);
  });
}

// Puts chunks into the answer and takes the time.
class Clock {
  constructor(answer, changed) {
    Object.assign(this, { answer, changed, start: performance.now(), first: 0, spoke: 0, last: 0 });
  }

  take({ choices = [], usage }) {
    const delta = choices[0]?.delta ?? {};
    const thought = delta.reasoning_content ?? delta.reasoning ?? '';
    if (thought || delta.content) this.tick(Boolean(delta.content));
    this.answer.thought += thought;
    this.answer.text += delta.content ?? '';
    this.answer.finish = choices[0]?.finish_reason ?? this.answer.finish;
    if (usage) this.count(usage);
    this.changed();
  }

  tick(speaks) {
    this.last = performance.now();
    this.first ||= this.last;
    if (speaks) this.spoke ||= this.last;
    this.answer.state = this.spoke ? 'writing' : 'thinking';
    this.answer.figures.first = this.first - this.start;
    this.answer.figures.thought = (this.spoke || this.last) - this.first;
  }

  count({ prompt_tokens: prompt, completion_tokens: tokens, completion_tokens_details: details }) {
    const spent = this.last - this.first;
    const speed = tokens > 1 && spent > MEASURABLE ? (tokens - 1) / (spent / 1000) : 0;
    Object.assign(this.answer.figures, { prompt, tokens, thoughtTokens: details?.reasoning_tokens ?? 0, speed });
  }

  end() {
    this.answer.figures.total = performance.now() - this.start;
    this.changed();
  }
}
