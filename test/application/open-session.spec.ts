import { randomUUID } from 'node:crypto';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { decodeJwt } from 'jose';
import {
  AccessTokenAuthenticator,
  AuthEventLog,
  ChangePasswordCommand,
  Clock,
  HostUsers,
  InvalidInput,
  LogInCommand,
  LogOutEverywhereCommand,
  OpenSessionCommand,
  ReadVerifiedUserQuery,
  RefreshAccessTokenCommand,
  SealVerifiedUserQuery,
  type SessionOpening,
  SessionRepository,
  SetUserActiveCommand,
  type TokenPair,
  TriggerGlobalTokenRotationCommand,
  TriggerUserTokenRotationCommand,
  VerifyPasswordCommand,
} from '../../src';
import { type Verification, VerifiedUserSeal } from '../../src/auth/domain/verified-user';
import { granted, refusedFor } from '../support/result';
import { until } from '../support/until';
import { password, type Place, PLACES } from './places';

const CLIENT = { ip: '192.0.2.9', userAgent: 'a browser' };

describe.each(PLACES)('A session for a user who was verified otherwise, %s,', (_, start) => {
  let place: Place;
  let account: { id: string; email: string; password: string };
  beforeAll(async () => {
    place = await start();
  });
  afterAll(() => place.close());
  beforeEach(async () => {
    account = await place.openAccount();
  });

  const part = <T>(type: abstract new (...args: never[]) => T): T => place.app.get<T>(type, { strict: false });
  const send: CommandBus['execute'] = (command: never) => part(CommandBus).execute(command);
  const verify = async () => granted(await send(new VerifyPasswordCommand(account.email, password, CLIENT)));
  const seal = (method: string) => part(QueryBus).execute(new SealVerifiedUserQuery(account.id, method));
  const open = (user: string, opening: Partial<SessionOpening> = {}) =>
    send(new OpenSessionCommand(user, { method: 'password', client: CLIENT, ...opening }));
  const refresh = (pair: TokenPair) => send(new RefreshAccessTokenCommand(pair.refreshToken));
  const trail = async () =>
    (await part(AuthEventLog).find({ userId: account.id }, 50, undefined, 'oldest first')).items
      .filter(({ type }) => /^auth\.(login|password|session)\./.test(type))
      .map(({ type, reason, details }) => [type.slice(5, -3), ...(reason === null ? [] : [reason]), details]);
  /** The same verified user, resealed with changes by the holder of the keys. */
  const resealed = (text: string, changes: Partial<Verification>) => {
    const seal = part(VerifiedUserSeal);
    return seal.seal({ ...seal.open(text)!, ...changes });
  };

  it('opens after a password and whatever the host asks for next, with a record of each', async () => {
    const verified = await verify();
    expect(verified).toMatch(/^vu1_/);
    place.tick();
    const pair = granted(await open(verified, { method: 'totp', deviceName: 'Phone' }));
    expect(pair).toMatchObject({ generation: 0, sessionId: part(VerifiedUserSeal).open(verified)!.sessionId });
    expect(granted(await refresh(pair))).toMatchObject({ sessionId: pair.sessionId, generation: 1 });
    await until(() => part(AccessTokenAuthenticator).authenticate(pair.accessToken) !== null);
    expect(await trail()).toEqual([
      ['login.attempted', {}],
      ['password.verified', {}],
      ['login.attempted', {}],
      ['session.created', { delivery: 'body', deviceName: 'Phone' }],
      ['login.succeeded', { method: 'totp' }],
    ]);
  });

  it('opens for the id of a user whom the host has verified', async () => {
    const pair = granted(await open(account.id, { method: 'google', delivery: 'cookie', deviceId: 'd1' }));
    const session = await part(SessionRepository).findById(pair.sessionId);
    expect(session).toMatchObject({ userId: account.id, delivery: 'cookie', deviceId: 'd1', ipAddress: CLIENT.ip });
    expect((await trail()).at(-1)).toEqual(['login.succeeded', { method: 'google' }]);
  });

  it('opens for no user who is unknown or inactive, and the record says why', async () => {
    const verified = await verify();
    expect(refusedFor(await open(randomUUID()))).toBe('user_not_found');
    await send(new SetUserActiveCommand(account.id, false));
    expect(refusedFor(await open(account.id, { method: 'google' }))).toBe('user_inactive');
    expect(refusedFor(await open(verified))).toBe('user_inactive');
    expect(refusedFor(await send(new VerifyPasswordCommand(account.email, password)))).toBe('invalid_credentials');
    const failures = (await trail()).filter(([type]) => type === 'login.failed');
    expect(failures).toEqual(Array.from({ length: 3 }, () => ['login.failed', 'user_inactive', {}]));
  });

  // Seen red without the comparison of the time, and without the look-up of the session.
  it('is refused in one way to a sealed user who is too old, used, tampered with or sealed elsewhere', async () => {
    const verified = await verify();
    const tooOld = resealed(verified, { authTime: new Date(part(Clock).now().getTime() - 600_000) });
    const elsewhere = new VerifiedUserSeal([{ id: 0, root: Buffer.alloc(32, 9) }]);
    const foreign = elsewhere.seal(part(VerifiedUserSeal).open(verified)!);
    granted(await open(verified));
    const refused = [tooOld, verified, `${verified}A`, verified.slice(0, -1), foreign, 'vu1_'];
    for (const text of refused) expect(refusedFor(await open(text))).toBe('verified_user_invalid');

    const recorded = async () =>
      (await part(AuthEventLog).find({ type: 'auth.login.failed.v1' }, 200)).items
        .filter(({ reason }) => reason === 'verified_user_invalid')
        .map(({ userId, details }) => [userId === account.id, details.evidence]);
    await until(async () => (await recorded()).length >= refused.length);
    expect((await recorded()).sort()).toEqual([
      ...Array.from({ length: 4 }, () => [false, 'not_sealed_here']),
      [true, 'too_old'],
      [true, 'used'],
    ]);
  });

  // Seen red without the lock of the user.
  it('opens once, however many use a sealed user at once', async () => {
    const verified = await verify();
    const answers = await Promise.all(Array.from({ length: 8 }, () => open(verified)));
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
    expect(await part(SessionRepository).countLiveOfUser(account.id)).toBe(1);
  });

  it('is read by the host, who asks this user for a second factor', async () => {
    const verified = await verify();
    const read = (text: unknown) => part(QueryBus).execute(new ReadVerifiedUserQuery(text as string));
    const { authTime } = part(VerifiedUserSeal).open(verified)!;
    expect(await read(verified)).toEqual({ verified, userId: account.id, method: 'password', authTime });
    const tooOld = resealed(verified, { authTime: new Date(part(Clock).now().getTime() - 600_000) });
    for (const text of [tooOld, `${verified}A`, account.id, '', undefined, { verified }])
      expect(await read(text)).toBeNull();
  });

  it('writes a bounded number of records for one sealed user', async () => {
    const verified = await verify();
    granted(await open(verified));
    for (let time = 0; time < 15; time++) await open(verified);
    expect((await trail()).filter(([type]) => type === 'login.failed')).toHaveLength(10);
  });

  const RAISES: [name: string, raise: (id: string) => Promise<unknown>, reason: string][] = [
    ['the user logs out everywhere', (id) => send(new LogOutEverywhereCommand(id)), 'token_revoked'],
    [
      'an administrator rotates the user',
      (id) => send(new TriggerUserTokenRotationCommand(id, 'a test')),
      'token_version_rejected',
    ],
    ['everybody is rotated', () => send(new TriggerGlobalTokenRotationCommand('a test')), 'token_version_rejected'],
  ];
  // Seen red with the stamps read at the opening.
  it.each(RAISES)('is dead on arrival when %s between the proof and the opening', async (_name, raise, reason) => {
    const verified = await verify();
    await raise(account.id);
    const pair = granted(await open(verified));
    expect(refusedFor(await refresh(pair))).toEqual({ kind: 'refused', reason });
    await until(() => part(AccessTokenAuthenticator).authenticate(pair.accessToken) === null);
    // A bare id has the floors of now: the host verified the user itself.
    expect(granted(await refresh(granted(await open(account.id))))).toMatchObject({ generation: 1 });
  });

  // Seen red with the floors of the opening in the sealed user.
  it.each(RAISES)(
    'of a user whom the host has sealed is dead when %s before the opening',
    async (_name, raise, reason) => {
      const verified = await seal('passkey');
      await raise(account.id);
      const pair = granted(await open(verified, { method: 'passkey' }));
      expect(refusedFor(await refresh(pair))).toEqual({ kind: 'refused', reason });
    },
  );

  it('opens once for a user whom the host has sealed, who is read as what was sealed', async () => {
    const verified = await seal('link');
    const read = await part(QueryBus).execute(new ReadVerifiedUserQuery(verified));
    expect(read).toMatchObject({ verified, userId: account.id, method: 'link' });
    const pair = granted(await open(verified, { method: 'link', amr: ['otp'] }));
    // No password was proved, so none is claimed.
    expect(decodeJwt(pair.accessToken).amr).toEqual(['otp']);
    expect(decodeJwt(granted(await open(await seal('link'), { method: 'link' })).accessToken).amr).toBeUndefined();
    expect(refusedFor(await open(verified, { method: 'link' }))).toBe('verified_user_invalid');
    const nobody = await part(QueryBus).execute(new SealVerifiedUserQuery(randomUUID(), 'link'));
    expect(refusedFor(await open(nobody, { method: 'link' }))).toBe('user_not_found');
  });

  it('is what a login opens, and its record says that it was a password', async () => {
    granted(await send(new LogInCommand(account.email, password)));
    expect((await trail()).slice(-3)).toEqual([
      ['login.attempted', {}],
      ['session.created', { delivery: 'body' }],
      ['login.succeeded', { method: 'password' }],
    ]);
  });

  // Seen red with claims that a replay forgets.
  it('says in each access token when and how the user proved it, and what the host says of the session', async () => {
    const claims = { tenant: 'a', rights: { 'quoted "name"': [1.5, null, true] } };
    const authTime = new Date(part(Clock).now().getTime() - 90_000);
    const said = { amr: ['pwd', 'otp'], acr: 'aal2', authTime, claims };
    const first = granted(await open(account.id, { method: 'passkey', ...said }));
    const rotated = granted(await refresh(first));
    const replayed = granted(await refresh(first));
    const again = granted(await refresh(replayed));
    for (const { accessToken } of [first, rotated, replayed, again]) {
      const seconds = Math.floor(authTime.getTime() / 1000);
      expect(decodeJwt(accessToken)).toMatchObject({ auth_time: seconds, amr: said.amr, acr: 'aal2', ...claims });
      expect(part(AccessTokenAuthenticator).authenticate(accessToken)).toMatchObject({
        authTime: seconds,
        amr: said.amr,
        acr: 'aal2',
        claims,
      });
    }
  });

  it('says of a password that it was one, and of a bare id nothing but the time', async () => {
    const proved = part(VerifiedUserSeal)
      .open(await verify())!
      .authTime.getTime();
    const payloads = [
      granted(await send(new LogInCommand(account.email, password))),
      granted(await open(await verify(), { method: 'totp' })),
      granted(await open(account.id, { method: 'google', authTime: new Date(proved + 3_600_000) })),
    ].map(({ accessToken }) => decodeJwt(accessToken));
    expect(payloads.map(({ amr, acr }) => [amr, acr])).toEqual([
      [['pwd'], undefined],
      [['pwd'], undefined],
      [undefined, undefined],
    ]);
    for (const { auth_time: time, iat } of payloads) {
      expect(time).toBeGreaterThanOrEqual(Math.floor(proved / 1000));
      expect(time).toBeLessThanOrEqual(iat!);
    }
  });

  it('keeps its claims when the password changes, and is proved by the password then', async () => {
    const said = { amr: ['pwd', 'otp'], acr: 'aal2', claims: { tenant: 'a' } };
    const { sessionId } = granted(await open(await verify(), { method: 'totp', ...said }));
    const changed = await send(
      new ChangePasswordCommand(account.id, sessionId, password, 'another long passphrase', CLIENT),
    );
    const payload = decodeJwt(granted(changed).pair.accessToken);
    expect([payload.tenant, payload.amr, payload.acr]).toEqual(['a', ['pwd'], undefined]);
  });

  it('is not opened with bad input', async () => {
    const verified = await verify();
    const bad: [path: string, user: unknown, opening?: object][] = [
      ['user', ''],
      ['user', 'x'.repeat(129)],
      ['user', undefined],
      ['user', 42],
      ['user', { toString: () => account.id }],
      ['method', verified, { method: '' }],
      ['method', verified, { method: 'x'.repeat(65) }],
      ['method', verified, { method: 'Google' }],
      ['method', verified, { method: undefined }],
      ['delivery', verified, { delivery: 'post' }],
      ['amr', verified, { amr: 'pwd' }],
      ['amr', verified, { amr: ['two words'] }],
      ['amr', verified, { amr: Array.from({ length: 17 }, () => 'pwd') }],
      ['acr', verified, { acr: '' }],
      ['acr', verified, { acr: 'a"b' }],
      ['acr', verified, { acr: 'a b' }],
      ['authTime', verified, { authTime: 'now' }],
      ['authTime', verified, { authTime: new Date(Number.NaN) }],
      ['claims', verified, { claims: [] }],
      ['claims.sub', verified, { claims: { tenant: 'a', sub: 'b' } }],
      ['claims.tenant', verified, { claims: { tenant: 'x'.repeat(2048) } }],
      ['claims.tenant', verified, { claims: { tenant: 'a\0' } }],
    ];
    for (const [path, user, opening] of bad) {
      const refused = open(user as string, opening);
      await expect(refused).rejects.toThrow(InvalidInput);
      await expect(refused).rejects.toMatchObject({ path });
    }
    expect(await part(SessionRepository).countLiveOfUser(account.id)).toBe(0);
    granted(await open(verified));
  });

  it('goes on with the directory’s spelling of an id', async () => {
    const other = account.id.toUpperCase();
    const { directory } = part(HostUsers);
    const found = jest.spyOn(directory, 'findById').mockImplementation(async () => ({
      id: account.id,
      email: account.email,
      roles: ['user'],
      isActive: true,
    }));
    try {
      const { sessionId } = granted(await open(other, { method: 'google' }));
      expect(await part(SessionRepository).findById(sessionId)).toMatchObject({ userId: account.id });
    } finally {
      found.mockRestore();
    }
  });
});
