import type { INestApplicationContext } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { Test } from '@nestjs/testing';
import { decodeJwt } from 'jose';
import {
  ActAsUserCommand,
  ChangePasswordCommand,
  FactorChangedCommand,
  FindAuthEventsQuery,
  IssueResetTicketCommand,
  ListSessionsQuery,
  LogInCommand,
  LogOutEverywhereCommand,
  OpenSessionCommand,
  PasswordHasher,
  RefreshAccessTokenCommand,
  ResetPasswordCommand,
  RevokeOtherSessionsCommand,
  RevokeSessionCommand,
  RevokeUserSessionsCommand,
  SecurityPolicyRepository,
  SetUserActiveCommand,
  SetUserRolesCommand,
  TriggerUserTokenRotationCommand,
  UserDirectory,
} from '../../src';
import { AuthTestingModule, InMemoryStore, InMemoryUserDirectory } from '../../src/testing';
import { granted } from '../support/result';

const PASSWORD = 'a long enough passphrase';

/** As a database with a collation that ignores case does. */
class AnyCase extends InMemoryUserDirectory {
  override findById(id: string) {
    return super.findById(id.toLowerCase());
  }
  override findByIdWithPassword(id: string) {
    return super.findByIdWithPassword(id.toLowerCase());
  }
}

// Seen red, each, with the caller's spelling: sessions that nobody ends, and a floor that nobody reads.
describe("The directory's spelling of an id counts, whatever a caller passes", () => {
  const id = 'user/42';
  const passed = 'User/42';
  let app: INestApplicationContext;
  let signedIn: string;
  beforeEach(async () => {
    const providers = [
      { provide: UserDirectory, inject: [InMemoryStore], useFactory: (it: InMemoryStore) => new AnyCase(it) },
    ];
    app = await Test.createTestingModule({ imports: [AuthTestingModule.forRoot({ providers })] }).compile();
    await app.init();
    const passwordHash = await app.get(PasswordHasher).hash(PASSWORD);
    const users = app.get<AnyCase>(UserDirectory);
    await users.add({ id, email: 'ann@example.com', passwordHash, roles: ['user', 'clerk'], isActive: true });
    signedIn = (await logIn()).refreshToken;
  });
  afterEach(() => app.close());

  const execute: CommandBus['execute'] = (command: never) => app.get(CommandBus).execute(command);
  const ask: QueryBus['execute'] = (query: never) => app.get(QueryBus).execute(query);
  const logIn = async () => granted(await execute(new LogInCommand('ann@example.com', PASSWORD)));
  const floor = async () => (await app.get(SecurityPolicyRepository).floorsOf(id)).floors.userMinTokenVersion;
  const refusal = async () => {
    const refreshed = await execute(new RefreshAccessTokenCommand(signedIn));
    return refreshed.ok ? null : refreshed.reason;
  };

  it('by a rotation', async () => {
    const rotated = await execute(new TriggerUserTokenRotationCommand(passed, 'a breach'));
    expect(rotated).toEqual({ ok: true, value: { userId: id, previousVersion: 1, newVersion: 2 } });
    expect(await floor()).toBe(2);
    const { items } = await ask(new FindAuthEventsQuery({ type: 'auth.user_rotation.succeeded.v1' }, 10));
    expect(items).toMatchObject([{ userId: id }]);
  });

  it('by a deactivation', async () => {
    expect(await execute(new SetUserActiveCommand(passed, false))).toMatchObject({ ok: true });
    expect(await refusal()).toMatchObject({ reason: 'token_revoked' });
  });

  it('by the removal of a role', async () => {
    expect(await execute(new SetUserRolesCommand(passed, ['user']))).toMatchObject({ ok: true });
    expect(await floor()).toBe(2);
  });

  it('by the end of all sessions', async () => {
    expect(await execute(new RevokeUserSessionsCommand(passed))).toBe(1);
    expect(await refusal()).toMatchObject({ reason: 'token_revoked' });
  });

  it("by the user's own end of all sessions, of the others, and of one", async () => {
    const other = await logIn();
    expect(await execute(new RevokeOtherSessionsCommand(passed, other.sessionId))).toBe(1);
    expect(await refusal()).toMatchObject({ reason: 'token_revoked' });
    expect(await execute(new RevokeSessionCommand(other.sessionId, { of: passed }))).toBe(true);
    expect(await execute(new RevokeSessionCommand(other.sessionId, { of: 'somebody else' }))).toBe(false);
    await logIn();
    expect(await execute(new LogOutEverywhereCommand(passed))).toBe(1);
    expect(await floor()).toBe(2);
    const { items } = await ask(new FindAuthEventsQuery({ type: 'auth.logout.succeeded.v1' }, 10));
    expect(items).toMatchObject([{ userId: id }]);
  });

  it('by a change of the password, and by one that fails', async () => {
    const { sessionId } = await logIn();
    const change = (password: string) =>
      execute(new ChangePasswordCommand(passed, sessionId, password, 'another long one'));
    expect(await change('a wrong passphrase')).toMatchObject({ ok: false });
    expect(await change(PASSWORD)).toMatchObject({ ok: true });
    for (const type of ['auth.password_change.failed.v1', 'auth.password_change.succeeded.v1']) {
      const { items } = await ask(new FindAuthEventsQuery({ type }, 10));
      expect(items).toMatchObject([{ userId: id }]);
    }
  });

  it('by a reset of the password', async () => {
    const ticket = granted(await execute(new IssueResetTicketCommand(passed)));
    expect(await execute(new ResetPasswordCommand(ticket, 'another long one'))).toMatchObject({ ok: true });
    expect([await floor(), await refusal()]).toMatchObject([2, { reason: 'token_revoked' }]);
  });

  it('by a changed factor', async () => {
    const { sessionId: except } = await logIn();
    expect(await execute(new FactorChangedCommand(passed, 'totp', { except }))).toBe(1);
    expect(await execute(new FactorChangedCommand(passed, 'totp'))).toBe(1);
    expect(await floor()).toBe(2);
  });

  it('by somebody who acts for the user', async () => {
    const actor = { id: 'support', email: 'support@example.com', passwordHash: 'none', roles: [], isActive: true };
    await app.get<AnyCase>(UserDirectory).add(actor);
    const { sessionId } = granted(await execute(new OpenSessionCommand(actor.id, { method: 'google', client: {} })));
    const acting = { reason: 'a call', ttl: 60 };
    const { accessToken } = granted(await execute(new ActAsUserCommand(sessionId, passed, acting)));
    expect(decodeJwt(accessToken)).toMatchObject({ sub: id, act: { sub: actor.id } });
    expect(await execute(new ActAsUserCommand((await logIn()).sessionId, passed, acting))).toMatchObject({
      reason: 'acting_for_oneself',
    });
  });

  it('by a list of sessions, and by a search of the audit trail', async () => {
    expect((await ask(new ListSessionsQuery(passed))).items).toHaveLength(1);
    const { items } = await ask(new FindAuthEventsQuery({ userId: passed }, 10));
    expect(items.map(({ userId }) => userId)).toContain(id);
  });
});
