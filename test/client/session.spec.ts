import { decodeJwt } from 'jose';
import { createSession, type Session, type SessionOptions, type SessionStore } from '../../src/client/index.mjs';
import { answered, Front, held, lostInTheMiddle, lostOnTheWayBack, lostOnTheWayThere } from '../browser/front';
import { type Json, startTestApplication, type TestApplication } from '../support/app/test-application';
import { until } from '../support/until';

/** A store in memory that several contexts share: each has its own view of it. */
class SharedStore {
  text: string | null = null;
  private readonly views: { store: SessionStore; listeners: (() => void)[] }[] = [];

  view(): SessionStore {
    const listeners: (() => void)[] = [];
    const store: SessionStore = {
      read: () => this.text,
      write: (text) => {
        this.text = text;
        for (const other of this.views) if (other.store !== store) other.listeners.forEach((listener) => listener());
      },
      onWrite: (listener) => listeners.push(listener),
    };
    this.views.push({ store, listeners });
    return store;
  }
}

/** One lock for all contexts. */
function sharedLock() {
  let last: Promise<unknown> = Promise.resolve();
  return (work: () => Promise<void>) => (last = last.then(work));
}

/** The pauses before retries have passed at once, and are returned. Only they are no whole milliseconds: they have a jitter. */
function skipPauses(): number[] {
  const pauses: number[] = [];
  const { setTimeout } = globalThis;
  const skipping = (done: () => void, pause?: number, ...more: []) => {
    if (pause === undefined || Number.isInteger(pause)) return setTimeout(done, pause, ...more);
    pauses.push(pause);
    return setTimeout(done, 0, ...more);
  };
  jest.spyOn(globalThis, 'setTimeout').mockImplementation(skipping);
  return pauses;
}

// Without a replay window the key alone keeps a client signed in whose answer was lost.
describe('the client, on a real instance with no replay window', () => {
  let front: Front;
  let url: string;
  let server: TestApplication;
  let store: SharedStore;
  let pauses: number[];

  beforeAll(async () => {
    server = await startTestApplication({ env: { REFRESH_REPLAY_WINDOW: '0s' } });
    front = new Front();
    url = `http://127.0.0.1:${await front.listen()}`;
    front.target = server.url;
  });
  afterAll(async () => {
    front.close();
    await server.close();
  });

  beforeEach(() => {
    store = new SharedStore();
    pauses = skipPauses();
  });
  afterEach(() => {
    jest.restoreAllMocks();
    front.reset();
  });

  const open = (options: Partial<SessionOptions> = {}): Session =>
    createSession({ refreshUrl: `${url}/auth/refresh`, delivery: 'body', store: store.view(), ...options });

  /** A login, as an application does it; `expiresIn: 0` makes a refresh due. */
  async function signIn(session: Session, claim: { expiresIn?: number; accessToken?: string } = {}) {
    const account = await server.register();
    const pair = (await server.logIn(account)).body;
    await session.start({ ...pair, ...claim });
    return { ...account, pair };
  }

  const generationOf = async (sessionId: string): Promise<number> =>
    (await server.query('SELECT generation FROM sessions WHERE id = $1', [sessionId]))[0].generation;

  const keysSent = () => new Set(front.refreshes.map(({ key }) => key));

  /** The server takes its token, and nothing looked like a theft on the way. */
  async function expectSignedIn(session: Session, sessionId: string): Promise<void> {
    const response = await session.fetch(`${url}/auth/me`);
    expect({ status: response.status, body: await response.json() }).toMatchObject({
      status: 200,
      body: { sessionId },
    });
    expect(session.current).toEqual({ sessionId });
    const types = (await server.events({ sessionId })).map(({ type }: Json) => type);
    expect(types).not.toContain('auth.token.reuse_detected.v1');
    expect(types).not.toContain('auth.session.revoked.v1');
  }

  describe('a refresh', () => {
    it('is one for two callers at once', async () => {
      const session = open();
      const { pair } = await signIn(session, { expiresIn: 0 });

      const [one, two] = await Promise.all([session.accessToken(), session.accessToken()]);

      expect(one).toBe(two);
      expect(one).not.toBe(pair.accessToken);
      expect(front.refreshes).toHaveLength(1);
      await expectSignedIn(session, pair.sessionId);
    });

    it('is one for two contexts at once, which share a store and a lock', async () => {
      const lock = sharedLock();
      const [one, two] = [open({ lock }), open({ lock })];
      const { pair } = await signIn(one, { expiresIn: 0 });

      const tokens = await Promise.all([one.accessToken(), two.accessToken()]);

      expect(new Set(tokens).size).toBe(1);
      expect(front.refreshes).toHaveLength(1);
      expect(await generationOf(pair.sessionId)).toBe(1);
      await expectSignedIn(two, pair.sessionId);
    });

    it('survives an answer that is lost anywhere, with one key and the identical successor', async () => {
      const session = open();
      const { pair } = await signIn(session);
      front.fates.push(lostOnTheWayThere, lostOnTheWayBack, lostInTheMiddle);

      await session.refresh();

      expect(front.refreshes).toHaveLength(4);
      expect(keysSent().size).toBe(1);
      expect(front.refreshes[2]!.successor).toBe(front.refreshes[1]!.successor);
      expect(await generationOf(pair.sessionId)).toBe(1);
      await session.refresh();
      expect(keysSent().size).toBe(2);
      await expectSignedIn(session, pair.sessionId);
    });

    it('that a process began is continued by the next one, with its key', async () => {
      const { pair } = await signIn(open());
      const lost = held();
      front.fates.push(lost.fate);
      const late = open().refresh();
      await lost.reached;

      const token = await open().refresh();

      expect(keysSent().size).toBe(1);
      expect(front.refreshes[1]!.successor).toBe(front.refreshes[0]!.successor);
      lost.release();
      // The answer that arrives late is no reason to leave the newer token.
      expect(await late).toBe(token);
      await expectSignedIn(open(), pair.sessionId);
    });

    it.each([429, 503])(
      'after %i waits for as long as Retry-After says, and sends the same key again',
      async (status) => {
        const session = open();
        const { pair } = await signIn(session);
        front.fates.push(answered(status, { 'Retry-After': '3' }), answered(status));

        await session.refresh();

        const [asked, own] = pauses;
        expect(asked).toBeGreaterThanOrEqual(3000);
        expect(asked).toBeLessThanOrEqual(4500);
        expect(own).toBeGreaterThanOrEqual(1000);
        expect(own).toBeLessThanOrEqual(1500);
        expect(keysSent().size).toBe(1);
        await expectSignedIn(session, pair.sessionId);
      },
    );

    it('is given up after half a minute, and the next call continues it', async () => {
      const session = open();
      const { pair } = await signIn(session);
      front.fates.push(...Array.from({ length: 20 }, () => lostOnTheWayBack));

      await expect(session.refresh()).rejects.toMatchObject({ name: 'Unavailable', retryAfter: 0 });

      front.fates = [answered(503, { 'Retry-After': '60' })];
      await expect(session.refresh()).rejects.toMatchObject({ name: 'Unavailable', retryAfter: 60 });
      expect(await session.refresh()).not.toBe(pair.accessToken);
      expect(keysSent().size).toBe(1);
      expect(await generationOf(pair.sessionId)).toBe(1);
      await expectSignedIn(session, pair.sessionId);
    });

    it('of a session that has ended returns null, and leaves no session', async () => {
      const session = open();
      const { pair } = await signIn(session);
      await server.request('POST', '/auth/logout', { bearer: pair.accessToken, body: {} });

      expect(await session.refresh()).toBeNull();

      expect([session.current, store.text, await session.accessToken()]).toEqual([null, null, null]);
      expect(front.refreshes).toHaveLength(1);
    });

    it('that something else has answered is an error, and the session stays', async () => {
      const session = open();
      const { pair } = await signIn(session);
      front.fates.push(answered(404), answered(401));
      await expect(session.refresh()).rejects.toThrow('/auth/refresh answered 404');
      await expect(session.refresh()).rejects.toThrow('/auth/refresh answered 401');
      await expectSignedIn(session, pair.sessionId);
    });
  });

  describe('in another context', () => {
    it('a log-out is noticed at once', async () => {
      const [one, other] = [open(), open()];
      const { pair } = await signIn(one);
      const seen: Json[] = [];
      other.onChange((current) => seen.push(current));

      await one.end();

      expect(seen).toEqual([null]);
      expect([other.current, await other.accessToken(), await other.refresh()]).toEqual([null, null, null]);
      expect((await server.get('/auth/me', pair.accessToken)).status).toBe(401);
      await other.end();
    });

    it('a log-out during a refresh is not undone by the late answer', async () => {
      const [one, other] = [open(), open()];
      await signIn(one);
      const late = held();
      front.fates.push(late.fate);
      const token = one.refresh();
      await late.reached;

      await other.end();
      late.release();

      expect(await token).toBeNull();
      expect(store.text).toBeNull();
    });

    it('a login during a refresh is not replaced by the late answer', async () => {
      const [one, other] = [open(), open()];
      await signIn(one);
      const late = held();
      front.fates.push(late.fate);
      const token = one.refresh();
      await late.reached;

      const newer = await signIn(other);
      late.release();

      expect(await token).toBe(newer.pair.accessToken);
      await expectSignedIn(one, newer.pair.sessionId);
    });

    it('a login is noticed at the next call, if the store does not report it', async () => {
      const read = () => store.text;
      const other = open({ store: { read, write: () => undefined } });
      expect(other.current).toBeNull();
      const { pair } = await signIn(open());
      expect(other.current).toBeNull();
      expect(await other.accessToken()).toBe(pair.accessToken);
      expect(other.current).toEqual({ sessionId: pair.sessionId });
    });
  });

  describe('a store that fails', () => {
    const full = new Error('the disk is full');

    it('when it is read fails the call, and nothing is sent', async () => {
      const read = () => {
        throw full;
      };
      const session = open({ store: { read, write: () => undefined } });
      expect(session.current).toBeUndefined();
      for (const call of [session.accessToken(), session.refresh(), session.fetch(`${url}/auth/me`), session.end()]) {
        await expect(call).rejects.toBe(full);
      }
      expect(front.refreshes).toEqual([]);
    });

    it('before the key is stored sends nothing', async () => {
      const { pair } = await signIn(open());
      const session = open({ store: { read: () => store.text, write: () => Promise.reject(full) } });

      await expect(session.refresh()).rejects.toBe(full);

      expect(front.refreshes).toEqual([]);
      await expectSignedIn(session, pair.sessionId);
    });

    it('before the successor is stored leaves the key, and the next call gets the identical successor', async () => {
      let writes = 0;
      const session = open({
        store: {
          read: () => store.text,
          write: async (text) => {
            if (++writes === 3) throw full;
            store.text = text;
          },
        },
      });
      const { pair } = await signIn(session);

      await expect(session.refresh()).rejects.toBe(full);
      await session.refresh();

      const [first, second] = front.refreshes;
      expect(keysSent().size).toBe(1);
      expect(second!.successor).toBe(first!.successor);
      expect(await generationOf(pair.sessionId)).toBe(1);
      await expectSignedIn(session, pair.sessionId);
    });

    it('with a text that was cut has no session, and takes the next login', async () => {
      store.text = '{"accessToken":"ey';
      const session = open();
      expect([session.current, await session.accessToken()]).toEqual([null, null]);
      const { pair } = await signIn(session);
      await expectSignedIn(session, pair.sessionId);
    });

    it('is not tried without its lock', async () => {
      const session = open({ lock: () => Promise.reject(full) });
      await signIn(session);
      await expect(session.refresh()).rejects.toBe(full);
      expect(front.refreshes).toEqual([]);
    });
  });

  describe('the current session', () => {
    it('is known at once, and stays the same object through a refresh', async () => {
      const { pair } = await signIn(open());
      const session = open();
      const { current } = session;
      expect(current).toEqual({ sessionId: pair.sessionId });
      await session.refresh();
      expect(session.current).toBe(current);
    });

    it('is undefined until a store that answers later has answered', async () => {
      const { pair } = await signIn(open());
      const session = open({ store: { read: async () => store.text, write: () => undefined } });
      expect(session.current).toBeUndefined();
      const seen = await new Promise((resolve) => session.onChange(resolve));
      expect(seen).toEqual({ sessionId: pair.sessionId });
      expect(session.current).toBe(seen);
    });

    it('is not set back by a reading that a write has overtaken', async () => {
      let answer = (_: string | null): void => undefined;
      const slow: SessionStore = {
        read: () => new Promise((resolve) => (answer = resolve)),
        write: (text) => (store.text = text),
      };
      const session = open({ store: slow });
      const { pair } = await signIn(session);
      const seen: Json[] = [];
      session.onChange((current) => seen.push(current));
      answer(null);
      const token = session.accessToken();
      answer(store.text);
      await token;
      expect(seen).toEqual([]);
      expect(session.current).toEqual({ sessionId: pair.sessionId });
    });

    it('is reported to each listener once for each change, until it is removed', async () => {
      const session = open();
      const [heard, removed]: [Json[], Json[]] = [[], []];
      session.onChange((current) => heard.push(current));
      const remove = session.onChange((current) => removed.push(current));
      const { pair } = await signIn(session);
      await session.refresh();
      await until(() => removed.length === 1);
      remove();
      await session.end();
      expect(heard).toEqual([{ sessionId: pair.sessionId }, null]);
      expect(removed).toEqual([{ sessionId: pair.sessionId }]);
    });
  });

  describe('a request', () => {
    it('without a session is sent as it is, and its 401 is the answer', async () => {
      const session = open();
      const response = await session.fetch(`${url}/auth/me`);
      expect(response.status).toBe(401);
      expect(response.headers.get('WWW-Authenticate')).toBe('Bearer');
      expect(front.refreshes).toEqual([]);
    });

    it('whose access token is refused is sent again, whole, with a newer one', async () => {
      const session = open();
      const { password, pair } = await signIn(session, { accessToken: 'worn.out.token' });

      const response = await session.fetch(`${url}/auth/password`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ currentPassword: password, newPassword: 'another long passphrase' }),
      });

      expect(response.status).toBe(200);
      expect(front.refreshes).toHaveLength(1);
      const changed = (await response.json()) as Json;
      expect(changed.sessionId).not.toBe(pair.sessionId);
      await session.start(changed);
      await expectSignedIn(session, changed.sessionId);
    });

    it('of a session that has ended has the refusal as its answer', async () => {
      const session = open();
      const { pair } = await signIn(session);
      await server.request('POST', '/auth/logout', { bearer: pair.accessToken, body: {} });
      const response = await session.fetch(`${url}/auth/me`);
      expect(response.status).toBe(401);
      expect(session.current).toBeNull();
      expect(front.refreshes).toHaveLength(1);
    });
  });

  it('a log-out that does not reach the server keeps the session', async () => {
    const lost = () => Promise.reject(new TypeError('fetch failed'));
    const session = open({ fetch: lost });
    const { pair } = await signIn(session);
    await expect(session.end()).rejects.toMatchObject({ name: 'Unavailable' });
    await expectSignedIn(open(), pair.sessionId);
  });

  it('a password is proved by the same rule, whatever is lost, and a wrong one keeps the session', async () => {
    const session = open();
    const { password, pair } = await signIn(session);
    await server.query(`UPDATE sessions SET auth_time = now() - interval '1 hour' WHERE id = $1`, [pair.sessionId]);
    await expect(session.reauthenticate('not the passphrase')).rejects.toMatchObject({ name: 'WrongPassword' });
    await expect(session.reauthenticate('')).rejects.toThrow('/auth/reauthenticate answered 400');
    front.fates.push(lostOnTheWayThere, lostOnTheWayBack);

    const token = await session.reauthenticate(password);

    expect(keysSent().size).toBe(1);
    const { auth_time, iat } = decodeJwt(token!);
    expect(iat! - (auth_time as number)).toBeLessThan(60);
    expect(await session.accessToken()).toBe(token);
    expect(await generationOf(pair.sessionId)).toBe(1);
    await expectSignedIn(session, pair.sessionId);
    await session.end();
    expect(await session.reauthenticate(password)).toBeNull();
  });

  it('a relative URL is refused at once', () => {
    expect(() => open({ refreshUrl: '/auth/refresh' })).toThrow('refreshUrl must be absolute');
  });
});

it('a session over its limit keeps its token, and learns when to try again', async () => {
  const server = await startTestApplication({ env: { LIMIT_REFRESH_PER_SESSION: '1/1h' } });
  try {
    const session = createSession({
      refreshUrl: `${server.url}/auth/refresh`,
      delivery: 'body',
      store: new SharedStore().view(),
    });
    const { body } = await server.logIn();
    await session.start(body);
    const token = await session.refresh();
    const refused = await session.refresh().catch((error: unknown) => error);
    expect(refused).toMatchObject({ name: 'Unavailable', retryAfter: expect.any(Number) });
    expect((refused as { retryAfter: number }).retryAfter).toBeGreaterThan(30);
    expect(await session.accessToken()).toBe(token);
  } finally {
    await server.close();
  }
});
