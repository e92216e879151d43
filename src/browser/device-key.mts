import type { KeyPair } from '../client/index.mjs';

const STORE = 'keys';
const NAME = 'dpop';

/** The key in IndexedDB, which no script can read: the same in all tabs, whichever of them is the first. */
export async function keyOfOrigin(): Promise<KeyPair> {
  // Before the transaction, which does not wait for it.
  const created = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open('ratchet');
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onerror = () => reject(opening.error ?? new Error('IndexedDB could not be opened'));
    opening.onsuccess = () => {
      const transaction = opening.result.transaction(STORE, 'readwrite');
      const keys = transaction.objectStore(STORE);
      const found = keys.get(NAME) as IDBRequest<KeyPair | undefined>;
      found.onsuccess = () => found.result ?? keys.put(created, NAME);
      transaction.onabort = () => reject(transaction.error ?? new Error('The key could not be stored'));
      transaction.oncomplete = () => {
        opening.result.close();
        resolve(found.result ?? created);
      };
    };
  });
}
