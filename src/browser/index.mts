/** The answer of a login, a password change or a refresh. With cookie delivery it has no `refreshToken`. */
export interface TokenPair {
  readonly accessToken: string;
  readonly refreshToken?: string;
  /** Seconds until the access token expires. */
  readonly expiresIn: number;
  readonly sessionId: string;
}

/**
 * A string that every tab of the application reads and writes. The next `read` of any tab must return what `write` was
 * given. A store that writes to disk before its promise resolves also survives a crash of the browser.
 */
export interface SessionStore {
  read(): string | null | Promise<string | null>;
  /** The caller awaits it. `null` removes the string. */
  write(text: string | null): unknown;
}

export interface SessionOptions {
  /** The URL that exchanges refresh tokens, such as `/auth/refresh`; relative to the page. */
  readonly refreshUrl: string;
  /** By default `logout` beside `refreshUrl`. */
  readonly logoutUrl?: string;
  /** The delivery of the login: the refresh token is in the store, or in a cookie that scripts cannot read. */
  readonly delivery: 'body' | 'cookie';
  /** By default an item of `localStorage`. */
  readonly store?: SessionStore;
  readonly fetch?: typeof fetch;
  /** Called in every tab after the session was refused or has ended. */
  readonly onSignedOut?: () => void;
}

export interface Session {
  /**
   * Starts the session of a login or a password change, and replaces any other session. With cookie delivery, `end` a session
   * before another user logs in: the answer to a refresh in flight would set the old cookie again.
   */
  start(pair: TokenPair): Promise<void>;
  /** Returns the access token, and refreshes it before it expires, once for all tabs. @throws SignedOut, Unavailable */
  accessToken(): Promise<string>;
  /** Returns a newer access token than the current one. @throws SignedOut, Unavailable */
  refresh(): Promise<string>;
  /**
   * `fetch` with the access token. Use it for your own services only, since the server that receives the request can read
   * the token. If the token is refused as `invalid_token` (RFC 6750 section 3.1), or another origin answers 401 and does not
   * expose its challenge (`Access-Control-Expose-Headers: WWW-Authenticate`), it refreshes and sends the request again, once.
   * @throws SignedOut, Unavailable
   */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /** Logs out. If the server cannot be reached, the session is kept. @throws Unavailable */
  end(): Promise<void>;
}

/** There is no session, or it has ended: sign in again. */
export class SignedOut extends Error {
  override name = 'SignedOut';
}

/** There was no conclusive answer for half a minute. The session is kept, and the next call continues the same refresh. */
export class Unavailable extends Error {
  override name = 'Unavailable';

  /** @param retryAfter The server's `Retry-After` in seconds; 0 if there was none. */
  constructor(readonly retryAfter: number) {
    super();
  }
}

/** The pair in the store, and the refresh in flight. */
interface Held extends TokenPair {
  /** When to renew the access token, in milliseconds of the page's clock. */
  readonly dueAt: number;
  /** The `Idempotency-Key`: from before the first request with this refresh token until its successor is stored. */
  readonly key?: string;
}

interface Answer {
  readonly ok: boolean;
  /** 0 if the answer did not arrive completely. */
  readonly status: number;
  readonly body: Partial<TokenPair> & { readonly code?: string; readonly recovery?: string };
  readonly retryAfter: number;
}

/** Runs `work` while no other tab runs any. */
type Exclusive = (work: () => Promise<void>) => Promise<void>;

const PATIENCE_MS = 30_000;
const FIRST_PAUSE_MS = 500;
const REQUEST_MS = 10_000;
/** How long a tab keeps the lock after its last write: in another process, `localStorage` is a few milliseconds behind. */
const SPREAD_MS = 100;

/**
 * Keeps one session alive in all tabs of a browser, through races and lost answers, by the retry rule: one refresh at a
 * time; a fresh random `Idempotency-Key` for each, which is in the shared store before the request is sent; the same token
 * and key again, by any tab, until the answer is stored. The server then returns the identical successor.
 */
export function createSession(options: SessionOptions): Session {
  const { delivery, onSignedOut, fetch = globalThis.fetch } = options;
  const refreshUrl = new URL(options.refreshUrl, location.href);
  const logoutUrl = new URL(options.logoutUrl ?? 'logout', refreshUrl);
  const name = `ratchet:${refreshUrl.href}`;
  const store = options.store ?? inLocalStorage(name);
  const channel = new BroadcastChannel(name);
  const locks = (navigator as Partial<Navigator>).locks;
  const exclusive: Exclusive = locks ? (work) => locks.request(name, work) : lockOver(channel);
  let flight: Promise<string> | undefined;

  channel.addEventListener('message', ({ data: [word, sessionId] }: MessageEvent<[string, string]>) => {
    if (word === 'out') void find().then((held) => (held?.sessionId ?? sessionId) === sessionId && onSignedOut?.());
  });

  async function find(): Promise<Held | null> {
    return JSON.parse((await store.read()) ?? 'null') as Held | null;
  }

  async function current(): Promise<Held> {
    const held = await find();
    if (!held) throw new SignedOut();
    return held;
  }

  async function keep(pair: TokenPair): Promise<void> {
    // Nine tenths of its life, so that a token is never sent in its last moment.
    await store.write(JSON.stringify({ ...pair, dueAt: Date.now() + pair.expiresIn * 900 }));
  }

  async function forget({ sessionId }: Held): Promise<void> {
    await store.write(null);
    channel.postMessage(['out', sessionId]);
    onSignedOut?.();
  }

  async function post(url: URL, { refreshToken, key }: Held): Promise<Answer> {
    try {
      const response = await fetch(url, {
        method: 'POST',
        // Without cookies where the token is in the body: the server would not look at them.
        credentials: delivery === 'cookie' ? 'include' : 'omit',
        headers: { 'Content-Type': 'application/json', ...(key && { 'Idempotency-Key': key }) },
        body: JSON.stringify({ refreshToken }),
        signal: AbortSignal.timeout(REQUEST_MS),
      });
      const text = await response.text();
      const json = response.headers.get('Content-Type')?.includes('json');
      return {
        ok: response.ok,
        status: response.status,
        body: json ? (JSON.parse(text) as Answer['body']) : {},
        retryAfter: Number(response.headers.get('Retry-After')) || 0,
      };
    } catch {
      return { ok: false, status: 0, body: {}, retryAfter: 0 };
    }
  }

  /** Runs `attempt` while no other tab runs one; repeats it after a pause while it throws `Unavailable` and time is left. */
  function alone<T>(attempt: () => Promise<T>): Promise<T> {
    const deadline = Date.now() + PATIENCE_MS;
    const persist = async (): Promise<T> => {
      for (let least = FIRST_PAUSE_MS; ; least *= 2) {
        try {
          return await attempt();
        } catch (error) {
          if (!(error instanceof Unavailable)) throw error;
          const wait = Math.max(least, error.retryAfter * 1000) * (1 + Math.random() / 2);
          if (Date.now() + wait > deadline) throw error;
          await pause(wait);
        }
      }
    };
    return new Promise((resolve, reject) => {
      exclusive(async () => {
        await persist().then(resolve, reject);
        await pause(SPREAD_MS);
      }).catch(reject);
    });
  }

  async function exchange(stale: string): Promise<string> {
    const found = await current();
    if (found.accessToken !== stale) return found.accessToken;
    const held = { key: randomKey(), ...found };
    if (!found.key) await store.write(JSON.stringify(held));
    const answer = await post(refreshUrl, held);
    // Whatever the answer: a token that another tab has stored since then is newer.
    const { accessToken } = await current();
    if (accessToken !== stale) return accessToken;
    const { ok, body } = answer;
    if (ok && body.sessionId === held.sessionId) {
      const pair = body as TokenPair;
      await keep(pair);
      return pair.accessToken;
    }
    // Another session's answer: a login that is not in this store has replaced the cookie.
    if (isOver(answer) || (ok && body.sessionId)) {
      await forget(held);
      throw new SignedOut();
    }
    throw failure(refreshUrl, answer);
  }

  const renew = (stale: string): Promise<string> =>
    (flight ??= alone(() => exchange(stale)).finally(() => {
      flight = undefined;
    }));

  /** With cookie delivery, 400 means that there is no cookie: the browser has dropped the expired one. */
  const isOver = ({ status, body }: Answer): boolean =>
    body.recovery === 'reauthenticate' || (delivery === 'cookie' && status === 400 && body.code === 'invalid_request');

  const session: Session = {
    start: keep,

    async accessToken() {
      const { accessToken, dueAt } = await current();
      return Date.now() < dueAt ? accessToken : renew(accessToken);
    },

    async refresh() {
      return renew((await current()).accessToken);
    },

    async fetch(input, init) {
      const request = new Request(input, init);
      const send = (token: string): Promise<Response> => {
        const copy = request.clone();
        copy.headers.set('Authorization', `Bearer ${token}`);
        return fetch(copy);
      };
      const token = await session.accessToken();
      const response = await send(token);
      return response.status === 401 && mayBeRefused(response) ? send(await renew(token)) : response;
    },

    end: () =>
      alone(async () => {
        const held = await find();
        if (!held) return;
        const answer = await post(logoutUrl, held);
        if (!answer.ok && !isOver(answer)) throw failure(logoutUrl, answer);
        if ((await find())?.sessionId === held.sessionId) await forget(held);
      }),
  };
  return session;
}

/** An answer that may differ next time is `Unavailable`; any other is a mistake of the page or of the server. */
const failure = (url: URL, { status, retryAfter }: Answer): Error =>
  status < 400 || status === 429 || status >= 500
    ? new Unavailable(retryAfter)
    : new Error(`${url.href} answered ${String(status)}`);

/** Whether the token may be what was refused. If another origin does not expose its challenge, this is unknown. */
function mayBeRefused({ headers, url }: Response): boolean {
  const challenge = headers.get('WWW-Authenticate');
  return challenge === null ? new URL(url).origin !== location.origin : challenge.includes('invalid_token');
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** 256 bits. `randomUUID` is missing where the page is not secure. */
const randomKey = (): string => crypto.getRandomValues(new Uint32Array(8)).join('-');

const inLocalStorage = (name: string): SessionStore => ({
  read: () => localStorage.getItem(name),
  write(text) {
    if (text === null) localStorage.removeItem(name);
    else localStorage.setItem(name, text);
  },
});

/**
 * For pages without Web Locks, which require https: a tab asks the others, and continues when none objects in time. A tab
 * that holds the lock objects, and so does a tab that asked earlier. Two tabs may get through when a tab is too slow to
 * object; the key in the store makes that harmless, or the server asks one of them to read the store again.
 */
function lockOver(channel: BroadcastChannel): Exclusive {
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
        ({ data: [word, asked] }: MessageEvent<[string, number]>) => {
          if (word === expected && (asked === ticket || word === 'free')) resolve(true);
        },
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
