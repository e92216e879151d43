/**
 * The client's rule, for any JavaScript runtime.
 * @module nest-ratchet/client
 */
import { failure, isRefused, lacksCookie, mayBeRefused, post } from './answer.mjs';
import {
  type CurrentSession,
  type Fetch,
  type KeyPair,
  type Session,
  type SessionLock,
  type SessionOptions,
  type TokenPair,
  Unavailable,
  WrongPassword,
} from './session.mjs';

export { Unavailable, WrongPassword } from './session.mjs';
export type {
  CurrentSession,
  Fetch,
  KeyPair,
  Session,
  SessionLock,
  SessionOptions,
  SessionStore,
  TokenPair,
} from './session.mjs';

/** The pair in the store, and the refresh in flight. */
interface Held extends TokenPair {
  /** When to renew the access token, in milliseconds of this device's clock. */
  readonly dueAt: number;
  /** The `Idempotency-Key`: from before the first request with this refresh token until its successor is stored. */
  readonly key?: string;
}

const PATIENCE_MS = 30_000;
const FIRST_PAUSE_MS = 500;

/**
 * Keeps one session alive, through races and lost answers, by the retry rule: one refresh at a time; a fresh random
 * `Idempotency-Key` for each, which is in the store before the request is sent; the same token and key again, by any context
 * that shares the store, until the answer is stored. The server then returns the identical successor.
 */
export function createSession(options: SessionOptions): Session {
  const { refreshUrl, delivery, store, binding, fetch = globalThis.fetch, lock = inTurn() } = options;
  // A relative one would fail with every request, and look like an outage.
  if (!/^https?:/.test(refreshUrl)) throw new TypeError('refreshUrl must be absolute');
  const beside = (name: string): string => refreshUrl.replace(/[^/]*(\?.*)?$/, name);
  const { logoutUrl = beside('logout'), reauthenticateUrl = beside('reauthenticate') } = options;
  let loaded: ReturnType<typeof load> | undefined;
  const load = async (pair: () => Promise<KeyPair>) => (await import('./proofs.mjs')).signing(fetch, await pair());
  /** Tried again after a failure, such as code that cannot be loaded at the moment. */
  const signing = () =>
    binding &&
    (loaded ??= load(binding).catch((error: unknown) => {
      loaded = undefined;
      throw error;
    }));
  const bind: Fetch = async (input, init) => {
    const sign = await signing();
    return sign ? sign(new Request(input, init)) : fetch(input, init);
  };
  const wire = { fetch: bind, delivery };
  const listeners = new Set<(current: CurrentSession | null) => void>();
  let current: CurrentSession | null | undefined;
  let writes = 0;
  let flight: Promise<string | null> | undefined;

  function see(held: Held | null): void {
    if (current !== undefined && current?.sessionId === held?.sessionId) return;
    const seen = (current = held && { sessionId: held.sessionId });
    // A listener that throws is reported as any other uncaught error, and stops neither the refresh nor other listeners.
    for (const listener of listeners) queueMicrotask(() => listener(seen));
  }

  /** `asOf` is `writes` when the reading began: one that a write has overtaken shows nothing. */
  function taken(text: string | null, asOf: number): Held | null {
    const held = parse(text);
    if (asOf === writes) see(held);
    return held;
  }

  async function find(): Promise<Held | null> {
    const asOf = writes;
    return taken(await store.read(), asOf);
  }

  const isHeldByBrowser = (): unknown => delivery === 'cookie' && options.isHeld?.();

  /** None while the browser holds it. */
  async function findFree(): Promise<Held | null> {
    const held = await find();
    return (await isHeldByBrowser()) ? null : held;
  }

  async function put(held: Held | null): Promise<void> {
    await store.write(held && JSON.stringify(held));
    writes++;
    see(held);
  }

  /** Brings `current` up to date, at once if the store can. If the store fails, the next call reports it. */
  function look(): void {
    const asOf = writes;
    try {
      const text = store.read();
      if (text === null || typeof text === 'string') taken(text, asOf);
      else text.then((late) => taken(late, asOf)).catch(() => undefined);
    } catch {
      // As above.
    }
  }

  /** Nine tenths of its life, so that a token is never sent in its last moment. */
  const keep = (pair: TokenPair): Promise<void> => put({ ...pair, dueAt: Date.now() + pair.expiresIn * 900 });

  /** Runs `attempt` while no other context runs one; repeats it after a pause while it throws `Unavailable` and time is left. */
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
          await new Promise((resolve) => setTimeout(resolve, wait));
        }
      }
    };
    return new Promise((resolve, reject) => {
      lock(() => persist().then(resolve, reject)).catch(reject);
    });
  }

  /** A refresh, unless the stored access token is newer than `stale`; with a password always. */
  async function exchange(stale: string, password?: string): Promise<string | null> {
    const found = await find();
    const isRefresh = password === undefined;
    if (!found || (isRefresh && found.accessToken !== stale)) return found && found.accessToken;
    const held = { key: randomKey(), ...found };
    if (!found.key) await put(held);
    const url = isRefresh ? refreshUrl : reauthenticateUrl;
    const answer = await post(wire, url, { ...held, password });
    // Whatever the answer: what another context has stored since then is newer.
    const now = await find();
    if (now?.accessToken !== found.accessToken) return now && now.accessToken;
    const { ok, body } = answer;
    if (ok && body.sessionId === held.sessionId) {
      const pair = body as TokenPair;
      await keep(pair);
      return pair.accessToken;
    }
    if (body.code === 'invalid_credentials') throw new WrongPassword();
    // With a password, 400 may be about the password. Another session's answer: a login that is not in this store has replaced
    // the cookie.
    const refused = isRefused(answer) || (isRefresh && lacksCookie(answer, delivery));
    if (refused || (ok && body.sessionId)) {
      if (!(refused && (await isHeldByBrowser()))) await put(null);
      return null;
    }
    throw failure(url, answer);
  }

  const renew = (stale: string): Promise<string | null> =>
    (flight ??= alone(() => exchange(stale)).finally(() => {
      flight = undefined;
    }));

  async function accessToken(): Promise<string | null> {
    const held = await findFree();
    return held && (Date.now() < held.dueAt ? held.accessToken : renew(held.accessToken));
  }

  async function refresh(): Promise<string | null> {
    const held = await findFree();
    return held && renew(held.accessToken);
  }

  const authorized: Fetch = async (input, init) => {
    const request = new Request(input, init);
    const send = async (token: string | null): Promise<Response> => {
      const copy = request.clone();
      const sign = token !== null && (await find())?.tokenType === 'DPoP' && (await signing());
      if (token !== null) copy.headers.set('Authorization', `${sign ? 'DPoP' : 'Bearer'} ${token}`);
      return sign ? sign(copy, token) : fetch(copy);
    };
    const token = await accessToken();
    const response = await send(token);
    const newer = token !== null && mayBeRefused(response) ? await renew(token) : null;
    if (newer === null) return response;
    // In Node.js, an answer that nobody reads keeps its connection.
    response.body?.cancel().catch(() => undefined);
    return send(newer);
  };

  const end = (): Promise<void> =>
    alone(async () => {
      const held = await find();
      if (!held) return;
      const answer = await post(wire, logoutUrl, held);
      if (!answer.ok && !isRefused(answer) && !lacksCookie(answer, delivery)) throw failure(logoutUrl, answer);
      if ((await find())?.sessionId === held.sessionId) await put(null);
    });

  look();
  store.onWrite?.(look);

  return {
    get current() {
      return current;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    start: keep,
    accessToken,
    refresh,
    reauthenticate: (password) => alone(() => exchange('', password)),
    bind,
    fetch: authorized,
    end,
  };
}

/** What is not JSON was cut while it was written, or is not ours: there is no session. */
function parse(text: string | null): Held | null {
  try {
    return text === null ? null : (JSON.parse(text) as Held);
  } catch {
    return null;
  }
}

function inTurn(): SessionLock {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => (last = last.then(work));
}

/** 256 bits. `randomUUID` is missing where a page is not secure. */
const randomKey = (): string => crypto.getRandomValues(new Uint32Array(8)).join('-');
