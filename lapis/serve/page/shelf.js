// Pictures in IndexedDB, which holds far more than localStorage.

const STORE = 'pictures';
let opened = null;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open('lapis', 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'id' });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

// Resolves when what `work` did to the store is on disk.
async function within(mode, work) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(STORE, mode);
    const request = work(transaction.objectStore(STORE));
    transaction.oncomplete = () => resolve(request?.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

export const put = (record) => within('readwrite', (store) => store.put(record));
export const get = (id) => within('readonly', (store) => store.get(id));
export const ids = () => within('readonly', (store) => store.getAllKeys());
export const remove = (gone) => within('readwrite', (store) => {
  for (const id of gone) store.delete(id);
});
