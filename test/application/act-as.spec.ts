import { randomUUID } from 'node:crypto';
import { CommandBus } from '@nestjs/cqrs';
import { decodeJwt } from 'jose';
import {
  AccessTokenAuthenticator,
  type ActingAs,
  ActAsUserCommand,
  AuthEventLog,
  AuthEvents,
  Clock,
  InvalidInput,
  LogInCommand,
  LogOutCommand,
  LogOutEverywhereCommand,
  Overloaded,
  RevokeSessionCommand,
  SecurityPolicyRepository,
  SessionRepository,
  SetUserActiveCommand,
  type TokenPair,
  TriggerGlobalTokenRotationCommand,
  TriggerUserTokenRotationCommand,
} from '../../src';
import { NotRecorded } from '../../src/support/overloaded';
import { intercept } from '../http/support/intercept';
import { granted, refusedFor } from '../support/result';
import { until } from '../support/until';
import { type Place, PLACES } from './places';

const CLIENT = { ip: '192.0.2.9', userAgent: 'a browser' };

describe.each(PLACES)('Somebody who acts for a user, %s,', (_, start) => {
  type Account = Awaited<ReturnType<Place['openAccount']>>;
  let place: Place;
  let user: Account;
  let actor: Account;
  let session: TokenPair;
  beforeAll(async () => {
    place = await start();
  });
  afterAll(() => place.close());
  beforeEach(async () => {
    [user, actor] = [await place.openAccount(), await place.openAccount()];
    session = await logIn(actor);
  });

  const part = <T>(type: abstract new (...args: never[]) => T): T => place.app.get<T>(type, { strict: false });
  const send: CommandBus['execute'] = (command: never) => {
    place.tick(); // so that the trail has an order
    return part(CommandBus).execute(command);
  };
  const logIn = async ({ email, password }: Account) => granted(await send(new LogInCommand(email, password)));
  const act = (changes: Partial<ActingAs> = {}, of = session.sessionId, as = user.id) =>
    send(new ActAsUserCommand(of, as, { reason: 'Ticket 4711', ttl: 300, client: CLIENT, ...changes }));
  const token = async () => granted(await act()).accessToken;
  const principalOf = (accessToken: string) => part(AccessTokenAuthenticator).authenticate(accessToken);
  const trail = async (of: string) =>
    (await part(AuthEventLog).find({ userId: of }, 200, undefined, 'oldest first')).items.filter(({ type }) =>
      /^auth\.user\.act/.test(type),
    );
  const isDead = (accessToken: string) => until(() => principalOf(accessToken) === null);
  const isAlive = (accessToken: string) => until(() => principalOf(accessToken) !== null);

  it('gets an access token of the user that says who acts, and no refresh token', async () => {
    await send(new TriggerUserTokenRotationCommand(user.id, 'a test'));
    await send(new TriggerUserTokenRotationCommand(actor.id, 'a test'));
    session = await logIn(actor);
    const acting = granted(await act({ claims: { ticket: 4711 } }));
    expect(Object.keys(acting).sort()).toEqual(['accessToken', 'expiresAt', 'expiresIn', 'tokenType']);
    expect(acting).toMatchObject({ tokenType: 'Bearer', expiresIn: 300 });
    const payload = decodeJwt(acting.accessToken);
    const [{ gv }, { iat = 0 }] = [decodeJwt(session.accessToken), payload];
    const { iss, aud } = decodeJwt(session.accessToken);
    const issuedTo = payload.client_id === undefined ? {} : { client_id: 'app' };
    const registered = { ...issuedTo, sub: user.id, jti: expect.any(String), iss, aud, iat, exp: iat + 300 };
    const ours = { sid: session.sessionId, gv, uv: 2, roles: ['user'], act: { sub: actor.id, uv: 2 } };
    expect(payload).toEqual({ ...registered, ...ours, ticket: 4711 });
    expect(acting.expiresAt).toEqual(new Date((iat + 300) * 1000));
    await isAlive(acting.accessToken);
    expect(principalOf(acting.accessToken)).toMatchObject({
      userId: user.id,
      actor: { userId: actor.id },
      sessionId: session.sessionId,
      roles: ['user'],
      authTime: null,
      claims: { ticket: 4711 },
    });
    expect(await trail(user.id)).toMatchObject([
      {
        type: 'auth.user.acted_as.v1',
        sessionId: session.sessionId,
        ipAddress: CLIENT.ip,
        userAgent: CLIENT.userAgent,
        details: { actorId: actor.id, cause: 'Ticket 4711', expiresAt: acting.expiresAt.toISOString() },
      },
    ]);
  });

  const ENDS: [what: string, end: () => Promise<unknown>][] = [
    ["the actor's log-out", () => send(new LogOutCommand({ refreshToken: session.refreshToken }))],
    ["the end of the actor's session by another", () => send(new RevokeSessionCommand(session.sessionId))],
    ["the actor's log-out everywhere", () => send(new LogOutEverywhereCommand(actor.id))],
    ["the actor's deactivation", () => send(new SetUserActiveCommand(actor.id, false))],
    ["a rotation of the actor's tokens", () => send(new TriggerUserTokenRotationCommand(actor.id, 'a test'))],
    ["the user's log-out everywhere", () => send(new LogOutEverywhereCommand(user.id))],
    ["the user's deactivation", () => send(new SetUserActiveCommand(user.id, false))],
    ['a rotation of all tokens', () => send(new TriggerGlobalTokenRotationCommand('a test'))],
  ];
  // Seen red, each, without its question: the guard's of act.sub, of sub, of sid.
  it.each(ENDS)('loses the token with %s', async (_what, end) => {
    const acting = await token();
    await isAlive(acting);
    await end();
    await isDead(acting);
  });

  // Seen red with the user's floor read after the actor was judged, and with the actor's floor in the place of its stamp.
  it.each(ENDS)('gets a token that is dead on arrival when %s falls into the decision', async (_what, end) => {
    const restore = intercept({ app: place.app as never }, SessionRepository, 'findById', async (proceed) => {
      const found: unknown = await proceed();
      restore(); // the end reads the session, too
      await end();
      return found;
    });
    const answer = await act().finally(restore);
    if (answer.ok) await isDead(answer.value.accessToken);
    else expect(answer.reason).toMatch(/^actor_(session_ended|inactive)$/);
  });

  it.each(ENDS.slice(0, 5))('gets no token after %s', async (_what, end) => {
    await end();
    expect(refusedFor(await act())).toMatch(/^actor_session_ended$/);
  });

  it('gets no token for oneself, for nobody, for the inactive, or by a session that is none', async () => {
    expect(refusedFor(await act({}, session.sessionId, actor.id))).toBe('acting_for_oneself');
    const nobody = randomUUID();
    expect(refusedFor(await act({}, session.sessionId, nobody))).toBe('user_not_found');
    await send(new SetUserActiveCommand(user.id, false));
    expect(refusedFor(await act())).toBe('user_inactive');
    await send(new SetUserActiveCommand(user.id, true));
    expect(refusedFor(await act({}, randomUUID()))).toBe('actor_session_ended');
    const failed = (id: string) => trail(id).then((all) => all.map(({ reason, details }) => [reason, details]));
    const details = { actorId: actor.id, cause: 'Ticket 4711' };
    expect(await failed(actor.id)).toEqual([['acting_for_oneself', details]]);
    expect(await failed(nobody)).toEqual([['user_not_found', details]]);
    expect(await failed(user.id)).toEqual([
      ['user_inactive', details],
      ['actor_session_ended', { cause: 'Ticket 4711' }],
    ]);
  });

  // Seen red without the demand of the reason.
  it('gets no token without a reason, for too long, or with claims that are not theirs', async () => {
    const bad: [path: string, changes: object][] = [
      ['reason', { reason: '' }],
      ['reason', { reason: ' \t' }],
      ['reason', { reason: undefined }],
      ['reason', { reason: 'x'.repeat(501) }],
      ['reason', { reason: 'a\u202eb' }],
      ['ttl', { ttl: 901 }],
      ['ttl', { ttl: 0 }],
      ['ttl', { ttl: 1.5 }],
      ['ttl', { ttl: '300' }],
      ['claims.act', { claims: { act: { sub: 'somebody', uv: 1 } } }],
      ['claims.roles', { claims: { roles: ['admin'] } }],
    ];
    for (const [path, changes] of bad) {
      const refused = act(changes);
      await expect(refused).rejects.toThrow(InvalidInput);
      await expect(refused).rejects.toMatchObject({ path });
    }
    expect(await trail(user.id)).toEqual([]);
  });

  // Seen red with the whole time for a session that is about to end.
  it('keeps the token no longer than the session lives, or its grace', async () => {
    const { now } = await part(SecurityPolicyRepository).read();
    const seconds = Math.floor(now.getTime() / 1000);
    await part(CommandBus).execute(new TriggerGlobalTokenRotationCommand('a test', 'drain', 100));
    const drained = granted(await act());
    const payload = decodeJwt(drained.accessToken);
    expect(payload.gv).toBe(decodeJwt(session.accessToken).gv);
    expect(payload.exp! - seconds).toBeGreaterThanOrEqual(100);
    expect(payload.exp! - seconds).toBeLessThan(200);
    await isAlive(drained.accessToken);
    await part(CommandBus).execute(new TriggerGlobalTokenRotationCommand('a test', 'drain', 100));
    await isDead(drained.accessToken); // two behind
  });

  it('gets no token without its record', async () => {
    const restore = intercept({ app: place.app as never }, AuthEvents, 'record', async () => {
      throw new NotRecorded('connection lost');
    });
    await expect(act().finally(restore)).rejects.toThrow(Overloaded);
  });

  it('is refused without a limit, and recorded ten times a minute', async () => {
    await send(new LogOutCommand({ refreshToken: session.refreshToken }));
    const moment = part(Clock).now(); // within one minute
    const restore = intercept({ app: place.app as never }, Clock, 'now', () => moment);
    for (let time = 0; time < 15; time++) expect((await act()).ok).toBe(false);
    restore();
    expect(await trail(user.id)).toHaveLength(10);
  });

  it('ends nothing by a log-out with the token', async () => {
    const acting = await token();
    expect(await send(new LogOutCommand({ accessToken: acting }))).toBe(0);
    expect(await part(SessionRepository).countLiveOfUser(actor.id)).toBe(1);
    await isAlive(acting);
  });
});
