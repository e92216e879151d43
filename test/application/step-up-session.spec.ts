import { randomUUID } from 'node:crypto';
import type { INestApplicationContext } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { Test } from '@nestjs/testing';
import { decodeJwt } from 'jose';
import {
  AccessTokenAuthenticator,
  AuthEventLog,
  AuthMetrics,
  type Factor,
  InvalidInput,
  OpenSessionCommand,
  ReauthenticateCommand,
  RefreshAccessTokenCommand,
  StepUpSessionCommand,
  type TokenPair,
} from '../../src';
import { NoMetrics } from '../../src/auth/infrastructure/defaults/no-metrics';
import { AuthTestingModule, InMemoryStore, InMemoryUserDirectory, MovableClock } from '../../src/testing';
import { newUser } from '../ports/adapters';
import { granted, refusedFor } from '../support/result';

const TOTP: Factor = { method: 'totp', amr: ['pwd', 'otp'], acr: 'aal2' };
const KEY = 'k'.repeat(22);

class Counts extends NoMetrics {
  readonly counted: string[] = [];
  override refresh = (...[outcome]: string[]) => void this.counted.push(`refresh ${outcome}`);
  override reauthentication = (...[outcome]: string[]) => void this.counted.push(`reauthentication ${outcome}`);
}

describe('A session that a host steps up', () => {
  let app: INestApplicationContext;
  const counts = new Counts();
  const user = newUser();
  let pair: TokenPair;

  beforeAll(async () => {
    const testing = AuthTestingModule.forRoot({ providers: [{ provide: AuthMetrics, useValue: counts }] });
    app = await Test.createTestingModule({ imports: [testing] }).compile();
    await app.init();
    await app.get(InMemoryUserDirectory, { strict: false }).add(user);
  });
  beforeEach(async () => {
    const opening = { method: 'link', client: {}, acr: 'aal1', claims: { tenant: 'a' } };
    pair = granted(await send(new OpenSessionCommand(user.id, opening)));
    app.get(MovableClock, { strict: false }).advance(600);
    counts.counted.length = 0;
  });
  afterAll(() => app.close());

  const send: CommandBus['execute'] = (command: never) => app.get(CommandBus).execute(command);
  const stepUp = (factor: Factor, token = pair.refreshToken, key?: string) =>
    send(new StepUpSessionCommand(token, factor, {}, key));
  const rowOf = ({ sessionId }: TokenPair) => app.get(InMemoryStore, { strict: false }).sessions.get(sessionId)!;
  const trailOf = async ({ sessionId }: TokenPair) =>
    (await app.get(AuthEventLog, { strict: false }).find({ sessionId }, 100)).items.filter(
      ({ type }) => !/session|login/.test(type),
    );
  const now = () => app.get(MovableClock, { strict: false }).now();

  it('is refreshed, and says how and when its user has proved who they are; its own claims stay', async () => {
    const stepped = granted(await stepUp(TOTP));
    expect(stepped).toMatchObject({ sessionId: pair.sessionId, generation: 1 });
    const claims = { auth_time: Math.floor(now().getTime() / 1000), amr: ['pwd', 'otp'], acr: 'aal2', tenant: 'a' };
    expect(decodeJwt(stepped.accessToken)).toMatchObject(claims);
    expect(rowOf(pair)).toMatchObject({ authTime: now(), amr: TOTP.amr, acr: TOTP.acr, claims: { tenant: 'a' } });
    const refreshed = granted(await send(new RefreshAccessTokenCommand(stepped.refreshToken)));
    expect(decodeJwt(refreshed.accessToken)).toMatchObject(claims);
    expect(counts.counted).toEqual(['reauthentication rotated', 'refresh rotated']);
  });

  it('has its record with the method, and the record of the refresh beside it', async () => {
    await stepUp(TOTP);
    const trail = await trailOf(pair);
    expect(trail.map(({ type }) => type).sort()).toEqual([
      'auth.reauthentication.attempted.v1',
      'auth.reauthentication.succeeded.v1',
      'auth.token_refresh.attempted.v1',
      'auth.token_refresh.succeeded.v1',
    ]);
    expect(trail.find(({ type }) => type.endsWith('reauthentication.succeeded.v1'))).toMatchObject({
      userId: user.id,
      generation: 1,
      details: { method: 'totp', amr: ['pwd', 'otp'], acr: 'aal2' },
    });
  });

  it('keeps nothing of the proof before: what is not said is not known', async () => {
    const stepped = granted(await stepUp({ method: 'passkey' }));
    const { amr, acr } = decodeJwt(stepped.accessToken);
    expect([amr, acr]).toEqual([undefined, undefined]);
    expect(rowOf(pair)).toMatchObject({ authTime: now(), amr: null, acr: null });
  });

  it('gets the identical successor for a retry, by its key, with the proof of the retry', async () => {
    const first = granted(await stepUp({ method: 'passkey' }, pair.refreshToken, KEY));
    app.get(MovableClock, { strict: false }).advance(3600);
    const again = granted(await stepUp(TOTP, pair.refreshToken, KEY));
    expect(again).toMatchObject({ refreshToken: first.refreshToken, generation: 1 });
    const authTime = Math.floor(now().getTime() / 1000);
    expect(decodeJwt(again.accessToken)).toMatchObject({ auth_time: authTime, acr: 'aal2' });
    expect(rowOf(pair)).toMatchObject({ generation: 1, authTime: now(), acr: 'aal2' });
  });

  // Seen red without the comparison: somebody's own factor would have stepped up a session of somebody else.
  it('is untouched by the factor of another user, and that is recorded', async () => {
    const before = rowOf(pair);
    const other = newUser();
    await app.get(InMemoryUserDirectory, { strict: false }).add(other);
    for (const userId of [other.id, randomUUID()])
      expect(refusedFor(await stepUp({ ...TOTP, userId }))).toEqual({ kind: 'refused', reason: 'token_invalid' });
    expect(rowOf(pair)).toEqual(before);
    expect(await trailOf(pair)).toMatchObject(
      [1, 2].flatMap(() => [
        { type: 'auth.reauthentication.failed.v1', reason: 'other_user', userId: user.id },
        { type: 'auth.reauthentication.attempted.v1' },
      ]),
    );
    expect(counts.counted).toEqual(['reauthentication other_user', 'reauthentication other_user']);
    expect((await stepUp({ ...TOTP, userId: user.id })).ok).toBe(true);
  });

  it('is refused like a refresh, and recorded as one, where its token is dead', async () => {
    granted(await stepUp(TOTP));
    app.get(MovableClock, { strict: false }).advance(60);
    expect(refusedFor(await stepUp(TOTP))).toEqual({ kind: 'refused', reason: 'token_revoked' });
    expect(refusedFor(await stepUp(TOTP, 'junk'))).toEqual({ kind: 'refused', reason: 'token_invalid' });
    const failed = (await trailOf(pair)).filter(({ outcome }) => outcome === 'failed');
    expect(failed.map(({ type }) => type)).not.toContain('auth.reauthentication.failed.v1');
    expect(counts.counted).toEqual(['reauthentication rotated', 'refresh token_revoked', 'refresh token_invalid']);
  });

  it.each<[string, Partial<Record<keyof Factor, unknown>>]>([
    ['method', { method: 'T O T P' }],
    ['method', { method: undefined }],
    ['amr', { amr: 'otp' }],
    ['amr', { amr: ['one time'] }],
    ['acr', { acr: '' }],
    ['acr', { acr: 'a"b' }],
    ['userId', { userId: '' }],
    ['userId', { userId: 7 }],
  ])('with a bad %s (%j) is an error that names it', async (path, wrong) => {
    const before = rowOf(pair);
    const factor = { ...TOTP, ...wrong } as Factor;
    await expect(stepUp(factor)).rejects.toThrow(InvalidInput);
    await expect(stepUp(factor)).rejects.toMatchObject({ path });
    expect(rowOf(pair)).toEqual(before);
  });

  it('by a user without a password that fits refuses every password, and says the same', async () => {
    // The directory has a hash that is none of any password.
    const before = rowOf(pair);
    expect(refusedFor(await send(new ReauthenticateCommand(pair.refreshToken, 'any password')))).toEqual({
      kind: 'invalid_credentials',
    });
    await expect(send(new ReauthenticateCommand(pair.refreshToken, 7 as never))).rejects.toMatchObject({
      path: 'password',
    });
    expect(rowOf(pair)).toEqual(before);
    expect((await app.get(AccessTokenAuthenticator).authenticate(pair.accessToken))?.acr).toBe('aal1');
  });
});
