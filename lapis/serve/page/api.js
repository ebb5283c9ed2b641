// The server's endpoints, and why one of them gave no answer. The key lives as long as the tab.

import { events } from './stream.js';

const KEY = 'lapis.key';
const BY_STATUS = { 401: 'key', 403: 'forbidden', 408: 'slow', 413: 'large', 429: 'busy', 503: 'stopping', 504: 'slow' };

export class Refused extends Error {
  // `kind` names the words that tell it; `detail` is what the server said; `wait` is in seconds.
  constructor(kind, { detail = '', wait = 0, status = 0 } = {}) {
    super(detail || kind);
    Object.assign(this, { kind, detail, wait, status });
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? '',
  set: (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

async function call(path, options = {}) {
  const headers = { ...options.headers };
  if (key.get()) headers.authorization = `Bearer ${key.get()}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Refused('gone');
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response) {
  const body = await response.json().catch(() => null);
  const detail = body?.error?.message ?? response.statusText;
  const about = { detail: String(detail), wait: Number(response.headers.get('retry-after')) || 0, status: response.status };
  if (body?.error?.code === 'context_length_exceeded') return new Refused('long', about);
  return new Refused(BY_STATUS[response.status] ?? (response.status < 500 ? 'wrong' : 'broken'), about);
}

export async function model() {
  const list = await (await call('v1/models')).json();
  return list.data?.[0]?.id ?? '';
}

// {id, tiles} of a picture that the server now keeps, encoded; null where it knows no such endpoint.
export async function upload(blob) {
  try {
    const response = await call('v1/images', { method: 'POST', body: blob, headers: { 'content-type': blob.type } });
    return await response.json();
  } catch (error) {
    if (error.status === 404 || error.status === 405) return null;
    throw error;
  }
}

// Chunks of a streamed answer. Throws Refused, also where the stream ends before the answer does.
export async function* ask(body, signal) {
  const headers = { 'content-type': 'application/json' };
  const response = await call('v1/chat/completions', { method: 'POST', headers, body: JSON.stringify(body), signal });
  let finished = false;
  try {
    for await (const chunk of events(response.body)) {
      if (chunk.error) throw new Refused(chunk.error.type === 'timeout_error' ? 'slow' : 'broken',
        { detail: String(chunk.error.message ?? '') });
      finished ||= Boolean(chunk.choices?.[0]?.finish_reason);
      yield chunk;
    }
  } catch (error) {
    if (signal.aborted || error instanceof Refused) throw error;
    throw new Refused('cut_off');
  }
  if (!finished && !signal.aborted) throw new Refused('cut_off');
}
