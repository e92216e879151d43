import { EventEmitter, once } from 'node:events';
import {
  AccessTokenAuthenticator,
  authenticateSocket,
  type ConnectingSocket,
  Overloaded,
  type Principal,
  RevocationView,
} from '../../../src';
import { originsOf } from '../../../src/guard/origins';
import { NoMetrics } from '../../../src/auth/infrastructure/defaults/no-metrics';
import { InMemoryRevocationFeed, InMemoryStore, MovableClock } from '../../../src/testing';
import { FakeSigner, NOW, SESSION_ID, USER_ID } from './fakes';

const quiet = { warn: () => undefined, log: () => undefined };
const OTHER_SESSION = '0199aaaa-0000-7000-8000-000000000003';
const seconds = NOW.getTime() / 1000;

/** A socket as Socket.IO hands it to a middleware; the server's end of it is an event. */
class Connecting extends EventEmitter implements ConnectingSocket {
  declare user?: Principal;
  closed: boolean | undefined;

  constructor(readonly handshake: ConnectingSocket['handshake']) {
    super();
  }

  disconnect(close: boolean): void {
    this.closed = close;
    this.emit('disconnect');
  }
}

const withToken = (token: unknown) => new Connecting({ headers: {}, auth: { token } });

// test/embedding/calls.long.ts has the real ones.
describe('a socket that connects', () => {
  let clock: MovableClock;
  let view: RevocationView;
  let signer: FakeSigner;
  let connect: (socket: Connecting) => Promise<Error | undefined>;

  beforeEach(async () => {
    clock = new MovableClock(NOW);
    signer = new FakeSigner();
    signer.issue('good');
    const limits = { accessTokenTtlSeconds: 900, maxStalenessSeconds: 60 };
    view = new RevocationView(new InMemoryRevocationFeed(new InMemoryStore(clock)), limits, quiet, new NoMetrics());
    const origins = originsOf('https://app.example');
    const limit = { accessTokenTtlSeconds: 900 };
    const middleware = authenticateSocket(new AccessTokenAuthenticator(signer, view, limit, origins));
    connect = (socket) => new Promise((resolve) => void middleware(socket, resolve));
  });
  afterEach(() => view.stop());

  // Seen red with a cookie that counts whatever the page.
  it('has its principal by the bound cookie, for a page that may use it', async () => {
    await view.start();
    const cookie = 'theme=dark; __Host-access=good';
    const own = new Connecting({ headers: { cookie, origin: 'https://app.example' } });
    expect(await connect(own)).toBeUndefined();
    expect(own.user?.sessionId).toBe(SESSION_ID);
    for (const headers of [{ cookie }, { cookie, origin: 'https://evil.example' }, { cookie, origin: 'null' }])
      expect(await connect(new Connecting({ headers }))).toMatchObject({
        data: { status: 403, code: 'origin_refused' },
      });
    const bad = new Connecting({ headers: { cookie: '__Host-access=bad', origin: 'https://app.example' } });
    expect(await connect(bad)).toMatchObject({ data: { status: 401 } });
  });

  it('has its principal, by its `auth.token` or by its header', async () => {
    await view.start();
    for (const socket of [
      withToken('good'),
      new Connecting({ headers: { authorization: 'Bearer good' } }),
      new Connecting({ headers: { authorization: 'Basic YTpi' }, auth: { token: 'good' } }),
    ]) {
      expect(await connect(socket)).toBeUndefined();
      expect(socket.user).toMatchObject({ userId: USER_ID, sessionId: SESSION_ID });
    }
  });

  it.each([undefined, 'bad', '', 7, { toString: () => 'good' }])('is refused with %p for a token', async (token) => {
    await view.start();
    const socket = withToken(token);
    expect(await connect(socket)).toMatchObject({
      message: 'Unauthorized',
      data: { status: 401, code: 'unauthorized', recovery: 'reauthenticate' },
    });
    expect([socket.user, socket.listenerCount('disconnect')]).toEqual([undefined, 0]);
  });

  // Seen red: the rejection of a middleware that is a promise ends the process.
  it('is refused as unavailable while the instance cannot decide, or when it fails', async () => {
    expect(await connect(withToken('good'))).toMatchObject({ data: { status: 503, recovery: 'retry' } });
    await view.start();
    signer.verify = () => {
      throw new TypeError('a fault');
    };
    const faulty = await connect(withToken('another'));
    expect(faulty).toMatchObject({ message: 'Service Unavailable', data: { status: 503 } });
  });

  // Seen red with sockets that nobody judges again.
  it('is disconnected when its session ends, and the others stay', async () => {
    await view.start();
    signer.issue('other', { sid: OTHER_SESSION });
    const [ended, other, public_] = [withToken('good'), withToken('other'), withToken('bad')];
    for (const socket of [ended, other, public_]) await connect(socket);
    const over = once(ended, 'disconnect');
    view.committed([{ kind: 'session', sessionId: SESSION_ID }]);
    await over;
    expect([ended.closed, other.closed]).toEqual([true, undefined]);
  });

  it("is disconnected when its user's floor rises, and when its token has expired", async () => {
    signer.issue('short', { sub: 'another', exp: seconds + 1 });
    await view.start();
    const [stopped, expiring] = [withToken('good'), withToken('short')];
    for (const socket of [stopped, expiring]) expect(await connect(socket)).toBeUndefined();
    const over = [once(stopped, 'disconnect'), once(expiring, 'disconnect')];
    view.committed([{ kind: 'user', userId: USER_ID, minVersion: 2 }]);
    await Promise.all(over);
    expect([stopped.closed, expiring.closed]).toEqual([true, true]);
  });

  // Seen red with a socket that stays while nothing is known.
  it('is disconnected when this instance cannot decide any more', async () => {
    await view.start();
    const socket = withToken('good');
    await connect(socket);
    const over = once(socket, 'disconnect');
    view.floorsOf = () => {
      throw new Overloaded('Revocations are out of date');
    };
    await over;
    expect(socket.closed).toBe(true);
  });

  it('that has gone is judged no more', async () => {
    await view.start();
    const [gone, open] = [withToken('good'), withToken('good')];
    for (const socket of [gone, open]) await connect(socket);
    gone.emit('disconnect');
    const over = once(open, 'disconnect');
    view.committed([{ kind: 'session', sessionId: SESSION_ID }]);
    await over;
    expect(gone.closed).toBeUndefined();
  });
});
