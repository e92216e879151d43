/**
 * The client's rule with a browser's defaults.
 * @module nest-ratchet/browser
 */
import { createSession as createClientSession } from '../client/index.mjs';
import type { Session, SessionLock, SessionOptions, SessionStore } from '../client/index.mjs';

export { Unavailable, WrongPassword } from '../client/index.mjs';
export type { CurrentSession, Fetch, KeyPair, Session, SessionStore, TokenPair } from '../client/index.mjs';

/** The options of the client, without what a browser has by itself. */
export interface BrowserSessionOptions extends Omit<SessionOptions, 'store' | 'lock' | 'binding' | 'isHeld'> {
  /** As in `nest-ratchet/client`, but may be relative to the page. */
  readonly refreshUrl: string;
  /** By default an item of `localStorage`. */
  readonly store?: SessionStore;
  /**
   * `dpop` binds the session to a key that no script can read, in IndexedDB, one for the origin: a thief of the refresh token alone
   * cannot use it. It requires https. Sign in with `session.bind`.
   */
  readonly binding?: 'dpop';
}

/** How long a tab keeps the lock after its last write: in another process, `localStorage` is a few milliseconds behind. */
const SPREAD_MS = 100;

/** The session of `nest-ratchet/client` in all tabs of an origin: in `localStorage`, under one lock. */
export function createSession(options: BrowserSessionOptions): Session {
  const { href } = new URL(options.refreshUrl, location.href);
  const beside = (url: string): string => new URL(url, href).href;
  const name = `ratchet:${href}`;
  const locks = (navigator as Partial<Navigator>).locks;
  const lock: SessionLock = locks ? (work) => locks.request(name, work) : lockOver(new BroadcastChannel(name));
  const { binding, logoutUrl = 'logout', reauthenticateUrl = 'reauthenticate', ...others } = options;
  return createClientSession({
    ...others,
    ...(binding && { binding: async () => (await import('./device-key.mjs')).keyOfOrigin() }),
    // The browsers that refresh by themselves (Device Bound Session Credentials) have this API.
    isHeld: () => (globalThis as Partial<typeof globalThis>).cookieStore?.get('__Host-bound'),
    refreshUrl: href,
    logoutUrl: beside(logoutUrl),
    reauthenticateUrl: beside(reauthenticateUrl),
    store: options.store ?? inLocalStorage(name),
    lock: (work) => lock(() => work().then(() => new Promise((resolve) => setTimeout(resolve, SPREAD_MS)))),
  });
}

const inLocalStorage = (name: string): SessionStore => ({
  read: () => localStorage.getItem(name),
  write(text) {
    if (text === null) localStorage.removeItem(name);
    else localStorage.setItem(name, text);
  },
  onWrite(listener) {
    // Without a key, all items were removed.
    addEventListener('storage', ({ key }) => (key ?? name) === name && listener());
  },
});

/**
 * For pages without Web Locks, which require https: a tab asks the others, and continues when none objects in time. A tab
 * that holds the lock objects, and so does a tab that asked earlier. Two tabs may get through when a tab is too slow to
 * object; the key in the store makes that harmless, or the server asks one of them to read the store again.
 */
function lockOver(channel: BroadcastChannel): SessionLock {
  const IDLE = Infinity;
  const HOLDER = 0;
  let ticket = IDLE;
  let queue = Promise.resolve();

  channel.addEventListener('message', ({ data: [word, asked] }: MessageEvent<[string, number]>) => {
    if (word === 'ask' && ticket < asked) channel.postMessage(['no', asked]);
  });

  const heard = (expected: string, ms: number) =>
    new Promise<boolean>((resolve) => {
      const signal = AbortSignal.timeout(ms);
      signal.onabort = () => resolve(false);
      channel.addEventListener(
        'message',
        ({ data: [word, asked] }: MessageEvent<[string, number]>) =>
          word === expected && (asked === ticket || word === 'free') && resolve(true),
        { signal },
      );
    });

  async function hold(work: () => Promise<void>): Promise<void> {
    ticket = Date.now() + Math.random();
    for (;;) {
      channel.postMessage(['ask', ticket]);
      if (!(await heard('no', 100))) break;
      // No longer than this, since a tab that was closed while it held the lock never frees it.
      await heard('free', 1000);
    }
    ticket = HOLDER;
    try {
      await work();
    } finally {
      ticket = IDLE;
      channel.postMessage(['free']);
    }
  }

  return (work) => (queue = queue.then(() => hold(work)));
}
