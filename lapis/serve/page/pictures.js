// Pictures of the conversations: read from files, uploaded at once so that the server encodes them before a question
// comes, and found again by id.

import { upload } from './api.js';
import * as shelf from './shelf.js';
import { upright } from './upright.js';

export const TYPES = ['image/png', 'image/jpeg', 'image/webp'];
export const MOST = 8;
const LARGEST = 20 * 2 ** 20;
const known = new Map();

export class Unfit extends Error {
  // A file that is no picture for us; `message` names the words that tell it.
}

export class Picture {
  constructor({ id, name, blob, width, height }) {
    Object.assign(this, { id, name, blob, width, height, url: URL.createObjectURL(blob), kept: null });
  }

  // {id, tiles} or null; asked once, however often it is wanted.
  upload() {
    this.kept ??= upload(this.blob).catch(() => null);
    return this.kept;
  }

  // The server lost it.
  forget() {
    this.kept = Promise.resolve(null);
  }

  async address() {
    const kept = await this.upload();
    return kept ? `lapis://${kept.id}` : dataUri(this.blob);
  }
}

function dataUri(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

// A picture from a dropped, pasted or picked file. Throws Unfit.
export async function read(file) {
  if (!TYPES.includes(file.type)) throw new Unfit('not_a_picture');
  if (file.size > LARGEST) throw new Unfit('large_picture');
  let blob, bitmap;
  try {
    blob = await upright(file);
    bitmap = await createImageBitmap(blob);
  } catch {
    throw new Unfit('broken_picture');
  }
  const picture = new Picture({ id: freshId(), name: file.name, blob, width: bitmap.width, height: bitmap.height });
  bitmap.close();
  known.set(picture.id, picture);
  return picture;
}

// Random, not crypto.randomUUID: that one is missing where the page comes over plain HTTP from another machine.
export function freshId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(9)), (byte) => byte.toString(36).padStart(2, '0')).join('');
}

// The picture of an id, from memory or from the browser's store; null where it is gone.
export async function find(id) {
  if (!known.has(id)) {
    const record = await shelf.get(id).catch(() => null);
    if (!record) return null;
    if (!known.has(id)) known.set(id, new Picture(record));
  }
  return known.get(id);
}

// Throws where the browser keeps nothing more.
export function keep({ id, name, blob, width, height }) {
  return shelf.put({ id, name, blob, width, height });
}

export function drop(ids) {
  for (const id of ids) {
    if (known.has(id)) URL.revokeObjectURL(known.get(id).url);
    known.delete(id);
  }
  return shelf.remove(ids).catch(() => {});
}
