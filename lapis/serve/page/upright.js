// Photographs that lie on their side. The server reads pixels as they are stored and knows nothing of EXIF, so what
// is sent and shown is redrawn upright: a point then means the same place to the model and to the person.

const ORIENTATION = 0x0112;

export async function upright(blob) {
  if (blob.type !== 'image/jpeg' || orientation(new DataView(await blob.slice(0, 65536).arrayBuffer())) < 2) return blob;
  const bitmap = await createImageBitmap(blob);
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  canvas.getContext('2d').drawImage(bitmap, 0, 0);
  bitmap.close();
  return new Promise((resolve) => canvas.toBlob((turned) => resolve(turned ?? blob), 'image/jpeg', 0.95));
}

// EXIF's orientation of a JPEG, 1 to 8; 1 where it says none. Any nonsense in the file is none.
export function orientation(view) {
  try {
    for (let at = 2; view.getUint8(at) === 0xff; at += 2 + view.getUint16(at + 2)) {
      if (view.getUint16(at) === 0xffe1 && view.getUint32(at + 4) === 0x45786966) return fromTiff(view, at + 10);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return 1;
}

function fromTiff(view, start) {
  const little = view.getUint16(start) === 0x4949;
  const list = start + view.getUint32(start + 4, little);
  for (let entry = 0; entry < view.getUint16(list, little); entry += 1) {
    const at = list + 2 + 12 * entry;
    if (view.getUint16(at, little) === ORIENTATION) return view.getUint16(at + 8, little);
  }
  return 1;
}
