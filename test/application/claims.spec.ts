import { Logger, type INestApplicationContext } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { Test } from '@nestjs/testing';
import { decodeJwt } from 'jose';
import {
  AccessTokenAuthenticator,
  InvalidInput,
  LogInCommand,
  OpenSessionCommand,
  PasswordHasher,
  RefreshAccessTokenCommand,
  type TokenPair,
  type UserWithPassword,
} from '../../src';
import { AuthTestingModule, InMemoryUserDirectory } from '../../src/testing';
import { newUser } from '../ports/adapters';
import { granted } from '../support/result';

const PASSWORD = 'a long enough passphrase';

describe('Claims of a user', () => {
  let app: INestApplicationContext;
  let user: UserWithPassword;
  let warned: jest.SpyInstance;
  beforeEach(async () => {
    warned = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    app = await Test.createTestingModule({ imports: [AuthTestingModule.forRoot()] }).compile();
    await app.init();
    user = newUser({ passwordHash: await app.get(PasswordHasher).hash(PASSWORD) });
  });
  afterEach(async () => {
    await app.close();
    warned.mockRestore();
  });

  const users = () => app.get(InMemoryUserDirectory, { strict: false });
  const send: CommandBus['execute'] = (command: never) => app.get(CommandBus).execute(command);
  const logIn = async () => granted(await send(new LogInCommand(user.email, PASSWORD)));
  const refresh = async (pair: TokenPair) => granted(await send(new RefreshAccessTokenCommand(pair.refreshToken)));
  const open = (claims: Record<string, unknown>) =>
    send(new OpenSessionCommand(user.id, { method: 'google', client: {}, claims }));
  const claimsOf = async ({ accessToken }: TokenPair) =>
    (await app.get(AccessTokenAuthenticator).authenticate(accessToken))?.claims;

  it('are in each access token as the directory has them now, and those of the session beside them', async () => {
    await users().add({ ...user, claims: { plan: 'free' } });
    expect(await claimsOf(await logIn())).toEqual({ plan: 'free' });
    const opened = granted(await open({ tenant: 'a' }));
    expect(await claimsOf(opened)).toEqual({ tenant: 'a', plan: 'free' });
    await users().add({ ...user, claims: { plan: 'paid' } });
    const refreshed = await refresh(opened);
    expect(await claimsOf(refreshed)).toEqual({ tenant: 'a', plan: 'paid' });
    expect(decodeJwt(refreshed.accessToken)).toMatchObject({ sub: user.id, tenant: 'a', plan: 'paid' });
    await users().add(user);
    expect(await claimsOf(await refresh(refreshed))).toEqual({ tenant: 'a' });
    expect(warned).not.toHaveBeenCalled();
  });

  // Seen red, each, without the demand.
  it.each([
    ['user.claims.uv', { uv: 99 }],
    ['user.claims.plan', { plan: 'x'.repeat(1024) }],
    ['user.claims', ['plan']],
  ])('are refused as %s when a session is opened', async (path, claims) => {
    await users().add({ ...user, claims: claims as never });
    await expect(logIn()).rejects.toThrow(InvalidInput);
    await expect(logIn()).rejects.toMatchObject({ path });
    await expect(open({ tenant: 'a' })).rejects.toMatchObject({ path });
  });

  it('cannot be claims of the session as well', async () => {
    await users().add({ ...user, claims: { plan: 'free' } });
    await expect(open({ tenant: 'a', plan: 'paid' })).rejects.toMatchObject({ path: 'claims.plan' });
  });

  // Seen red with a reserved claim signed over the stamp, and with a warning for each refresh.
  it('fail no refresh: a reserved one is left out, of a double the user’s counts, and each name is warned of once', async () => {
    await users().add(user);
    let pair = granted(await open({ plan: 'session' }));
    const { uv } = decodeJwt(pair.accessToken);
    await users().add({ ...user, claims: { plan: 'user', uv: 99, sub: 'somebody', big: 'x'.repeat(1024) } });
    for (let time = 0; time < 3; time++) {
      pair = await refresh(pair);
      expect(await claimsOf(pair)).toEqual({ plan: 'user' });
      expect(decodeJwt(pair.accessToken)).toMatchObject({ sub: user.id, uv, plan: 'user' });
    }
    expect(warned.mock.calls.map(([text]) => (text as string).slice(0, 20)).sort()).toEqual([
      'The claim "big" is l',
      'The claim "plan" is ',
      'The claim "sub" is l',
      'The claim "uv" is le',
    ]);
  });
});
