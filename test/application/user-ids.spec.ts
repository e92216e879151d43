import type { INestApplicationContext } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { Test } from '@nestjs/testing';
import {
  FindAuthEventsQuery,
  ListSessionsQuery,
  LogInCommand,
  PasswordHasher,
  RefreshAccessTokenCommand,
  RevokeUserSessionsCommand,
  SecurityPolicyRepository,
  SetUserActiveCommand,
  SetUserRolesCommand,
  TriggerUserTokenRotationCommand,
  UserDirectory,
} from '../../src';
import { AuthTestingModule, InMemoryStore, InMemoryUserDirectory } from '../../src/testing';

const PASSWORD = 'a long enough passphrase';

/** As a database with a collation that ignores case does. */
class AnyCase extends InMemoryUserDirectory {
  override findById(id: string) {
    return super.findById(id.toLowerCase());
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
    const opened = await execute(new LogInCommand('ann@example.com', PASSWORD));
    if (!opened.ok) throw new Error(opened.reason);
    signedIn = opened.value.refreshToken;
  });
  afterEach(() => app.close());

  const execute: CommandBus['execute'] = (command: never) => app.get(CommandBus).execute(command);
  const ask: QueryBus['execute'] = (query: never) => app.get(QueryBus).execute(query);
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

  it('by a list of sessions, and by a search of the audit trail', async () => {
    expect(await ask(new ListSessionsQuery(passed))).toHaveLength(1);
    const { items } = await ask(new FindAuthEventsQuery({ userId: passed }, 10));
    expect(items.map(({ userId }) => userId)).toContain(id);
  });
});
