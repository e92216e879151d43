import { createSession, type Fetch, type SessionOptions, type TokenPair } from '../../src/client/index.mjs';

const PAIR: TokenPair = { accessToken: 'first', expiresIn: 900, tokenType: 'Bearer', sessionId: 'one' };
const NEXT = { ...PAIR, accessToken: 'second' };

/** A server that keeps what it was sent. */
function serverOf(answer: () => Response) {
  const sent: { readonly path: string; readonly authorization: string | null }[] = [];
  const fetch: Fetch = async (input, init) => {
    const { url, headers } = new Request(input, init);
    sent.push({ path: new URL(url).pathname, authorization: headers.get('Authorization') });
    return answer();
  };
  return { sent, fetch };
}
const refused = () => Response.json({ code: 'refresh_refused', recovery: 'reauthenticate' }, { status: 401 });

// test/browser/dbsc.long.ts has the real browser.
describe('the client of a session that the browser refreshes by itself', () => {
  let held: boolean;
  beforeEach(() => (held = true));

  async function started(answer: () => Response, more: Partial<SessionOptions> = {}) {
    let stored: string | null = null;
    const server = serverOf(answer);
    const session = createSession({
      refreshUrl: 'https://app.example/auth/refresh',
      delivery: 'cookie',
      store: { read: () => stored, write: (text) => void (stored = text) },
      fetch: server.fetch,
      isHeld: () => Promise.resolve(held),
      ...more,
    });
    await session.start(PAIR);
    return { session, ...server };
  }

  it('has no token for scripts, and refreshes nothing', async () => {
    const { session, sent } = await started(() => new Response());
    expect([await session.accessToken(), await session.refresh()]).toEqual([null, null]);
    expect(session.current).toEqual({ sessionId: 'one' });
    await session.fetch('https://app.example/orders');
    expect(sent).toEqual([{ path: '/orders', authorization: null }]);
  });

  it('is not over when a request is refused: the browser renews what it has sent', async () => {
    const { session, sent } = await started(refused);
    expect((await session.fetch('https://app.example/orders')).status).toBe(401);
    expect(await session.reauthenticate('a passphrase')).toBeNull();
    expect(session.current).toEqual({ sessionId: 'one' });
    expect(sent.map(({ path }) => path)).toEqual(['/orders', '/auth/reauthenticate']);
  });

  it('proves the password again', async () => {
    const { session } = await started(() => Response.json(NEXT));
    expect(await session.reauthenticate('a passphrase')).toBe('second');
  });

  it('refreshes again when the browser has let go of it', async () => {
    const { session, sent } = await started(() => Response.json(NEXT));
    held = false;
    expect(await session.refresh()).toBe('second');
    await session.fetch('https://app.example/orders');
    expect(sent).toEqual([
      { path: '/auth/refresh', authorization: null },
      { path: '/orders', authorization: 'Bearer second' },
    ]);
    const over = await started(refused);
    expect(await over.session.refresh()).toBeNull();
    expect(over.session.current).toBeNull();
  });

  it('with the refresh token in its store is held by nobody', async () => {
    const { session } = await started(() => Response.json(NEXT), { delivery: 'body' });
    expect(await session.accessToken()).toBe('first');
  });
});
