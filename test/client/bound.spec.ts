import { webcrypto } from 'node:crypto';
import { createSession, type Session, type SessionOptions, type TokenPair } from '../../src/client/index.mjs';
import { Front } from '../browser/front';
import { age, rowOf } from '../http/support/sessions';
import { startTestApplication, type TestApplication } from '../support/app/test-application';

const DAY = 24 * 60 * 60;

// `all`, so that what is sent beside a refresh is proved as well; and no window, so that the key alone allows a retry.
describe('the client of a bound session', () => {
  let front: Front;
  let url: string;
  let server: TestApplication;
  let pair: Awaited<ReturnType<typeof newPair>>;
  let stored: string | null;

  beforeAll(async () => {
    front = new Front();
    url = `http://127.0.0.1:${await front.listen()}`;
    server = await startTestApplication({ env: { PUBLIC_ORIGIN: url, DPOP: 'all', REFRESH_REPLAY_WINDOW: '0s' } });
    front.target = server.url;
    pair = await newPair();
  });
  afterAll(async () => {
    front.close();
    await server.close();
  });
  beforeEach(() => (stored = null));
  afterEach(() => front.reset());

  const store = { read: () => stored, write: (text: string | null) => void (stored = text) };
  const open = (options: Partial<SessionOptions> = {}): Session =>
    createSession({
      refreshUrl: `${url}/auth/refresh`,
      delivery: 'body',
      store,
      binding: async () => pair,
      ...options,
    });

  async function signIn(session: Session): Promise<TokenPair> {
    const { email, password } = await server.register();
    const response = await session.bind(`${url}/auth/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ email, password }),
    });
    expect(response.status).toBe(200);
    const answer = (await response.json()) as TokenPair;
    await session.start(answer);
    return answer;
  }

  // Seen red with a client that takes the challenge for its end.
  it('signs in, refreshes and calls with proofs, and learns the nonce by itself', async () => {
    const session = open();
    const { sessionId, accessToken } = await signIn(session);
    expect(await rowOf(server, sessionId)).toMatchObject({ binding: { kind: 'dpop' } });
    const newer = await session.refresh();
    expect(newer).not.toBeNull();
    expect(newer).not.toBe(accessToken);
    const response = await session.fetch(`${url}/auth/me`);
    expect([response.status, await response.json()]).toEqual([200, expect.objectContaining({ sessionId })]);
  });

  it('gets the same successor again a day after an answer that was never stored', async () => {
    const { sessionId } = await signIn(open());
    const before = stored;
    await open().refresh();
    const successor = refreshTokenIn(stored);
    stored = before;
    await age(server, sessionId, DAY);
    expect(await open().refresh()).not.toBeNull();
    expect(refreshTokenIn(stored)).toBe(successor);
    const types = (await server.events({ sessionId })).map(({ type }) => type);
    expect(types).not.toContain('auth.token.reuse_detected.v1');
  });

  it('proves the password again, and logs out', async () => {
    const session = open();
    const { sessionId } = await signIn(session);
    expect(await session.reauthenticate('a long enough passphrase')).not.toBeNull();
    await session.end();
    expect(await rowOf(server, sessionId)).toMatchObject({ revoked_reason: 'user_logout' });
  });

  it('is nothing to a thief of the store: without the key, or with another one', async () => {
    const { sessionId } = await signIn(open());
    const copied = stored;
    const withoutKey = { refreshUrl: `${url}/auth/refresh`, delivery: 'body' as const, store };
    for (const thief of [createSession(withoutKey), open({ binding: newPair })]) {
      stored = copied;
      expect(await thief.refresh()).toBeNull();
    }
    stored = copied;
    expect(await rowOf(server, sessionId)).toMatchObject({ generation: 0, revoked_at: null });
    expect(await open().refresh()).not.toBeNull();
  });

  it('reports a key that cannot be had, and keeps the session', async () => {
    await signIn(open());
    const binding = () => Promise.reject(new Error('no key store'));
    await expect(open({ binding }).fetch(`${url}/auth/me`)).rejects.toThrow('no key store');
    expect(stored).not.toBeNull();
  });
});

const refreshTokenIn = (text: string | null): unknown => (JSON.parse(text!) as TokenPair).refreshToken;

const newPair = () => webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
