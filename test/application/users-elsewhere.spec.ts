import { randomUUID } from 'node:crypto';
import type { INestApplicationContext } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { Test } from '@nestjs/testing';
import {
  AuthEventLog,
  ChangePasswordCommand,
  type DirectoryChange,
  type DirectoryUser,
  IssueResetTicketCommand,
  LogInCommand,
  Overloaded,
  PasswordHasher,
  RefreshAccessTokenCommand,
  ResetPasswordCommand,
  SecurityPolicyRepository,
  SetUserActiveCommand,
  SetUserRolesCommand,
  UserDirectory,
  type UserWithPassword,
} from '../../src';
import { AuthTestingModule } from '../../src/testing';
import { granted } from '../support/result';

/** The host's one user, in a store that knows nothing of auth's transactions: what is written there stays. */
class UsersElsewhere extends UserDirectory {
  user: UserWithPassword | null = null;
  refusal: Exclude<DirectoryChange, 'changed'> | null = null;

  async findById(): Promise<DirectoryUser | null> {
    return this.user;
  }

  byLogin: (login: string) => boolean = () => true;
  override findByIdWithPassword?: (id: string) => Promise<UserWithPassword | null>;

  async findByLogin(login: string): Promise<UserWithPassword | null> {
    return this.byLogin(login) ? this.user : null;
  }

  async replacePasswordHash(_id: string, _verified: string, passwordHash: string): Promise<boolean> {
    return this.change({ passwordHash }) === 'changed';
  }

  override async setActive(_id: string, isActive: boolean): Promise<DirectoryChange> {
    return this.change({ isActive });
  }

  override async setRoles(_id: string, roles: readonly string[]): Promise<DirectoryChange> {
    return this.change({ roles });
  }

  private change(change: Partial<UserWithPassword>): DirectoryChange {
    if (this.refusal !== null) return this.refusal;
    this.user = { ...this.user!, ...change };
    return 'changed';
  }
}

const PASSWORD = 'a long enough passphrase';
const NEXT = 'another long passphrase';

describe('A user who is kept outside of the transaction', () => {
  let app: INestApplicationContext;
  const users = new UsersElsewhere();
  let userId: string;
  let session: { sessionId: string; refreshToken: string };

  beforeEach(async () => {
    const module = await Test.createTestingModule({
      imports: [AuthTestingModule.forRoot({ providers: [{ provide: UserDirectory, useValue: users }] })],
    }).compile();
    app = await module.init();
    userId = randomUUID();
    const passwordHash = await app.get(PasswordHasher).hash(PASSWORD);
    Object.assign(users, {
      user: { id: userId, email: 'ann@example.com', roles: ['user', 'auditor'], isActive: true, passwordHash },
      refusal: null,
    });
    session = granted(await app.get(CommandBus).execute(new LogInCommand('ann@example.com', PASSWORD)));
  });
  afterEach(() => app.close());

  const floor = async () => (await app.get(SecurityPolicyRepository).floorsOf(userId)).floors.userMinTokenVersion;
  const refreshes = async () =>
    (await app.get(CommandBus).execute(new RefreshAccessTokenCommand(session.refreshToken))).ok;
  const recorded = async () => (await app.get(AuthEventLog).find({ userId }, 50)).items;

  const changes = [
    ['a password', () => new ChangePasswordCommand(userId, session.sessionId, PASSWORD, NEXT)],
    ['an activity', () => new SetUserActiveCommand(userId, false)],
    ['a set of roles', () => new SetUserRolesCommand(userId, ['user'])],
  ] as const;

  // Seen red with the users' change before auth's own.
  it.each(changes)('keeps %s when what it must end cannot be ended', async (_what, command) => {
    const { user } = users;
    const append = jest.spyOn(app.get(AuthEventLog), 'append').mockRejectedValueOnce(new Error('no room'));
    await expect(app.get(CommandBus).execute<object>(command())).rejects.toThrow('no room');
    append.mockRestore();
    expect([users.user, await floor(), await refreshes()]).toEqual([user, 1, true]);
  });

  // Seen red with a look-up by the e-mail, which is no login here: 401 with the right password.
  it('changes a password whose login is not the e-mail', async () => {
    users.byLogin = (login) => login === 'ann';
    const change = () =>
      app.get(CommandBus).execute(new ChangePasswordCommand(userId, session.sessionId, PASSWORD, NEXT));
    expect((await change()).ok).toBe(false); // this directory finds no hash by the id
    users.findByIdWithPassword = async () => users.user;
    expect((await change()).ok).toBe(true);
    expect((await app.get(CommandBus).execute(new LogInCommand('ann', NEXT))).ok).toBe(true);
    delete users.findByIdWithPassword;
    users.byLogin = () => true;
  });

  // Seen red with the users' change before auth's own, and with a refusal that is taken for a change.
  it('has its password reset last: a ticket whose reset fails at either end is still valid', async () => {
    const reset = (ticket: string) => app.get(CommandBus).execute(new ResetPasswordCommand(ticket, NEXT));
    const ticket = granted(await app.get(CommandBus).execute(new IssueResetTicketCommand(userId)));
    const { user } = users;
    const append = jest.spyOn(app.get(AuthEventLog), 'append').mockRejectedValueOnce(new Error('no room'));
    await expect(reset(ticket)).rejects.toThrow('no room');
    append.mockRestore();
    expect([users.user, await floor(), await refreshes()]).toEqual([user, 1, true]);

    users.refusal = 'last_admin';
    await expect(reset(ticket)).rejects.toThrow(Overloaded);
    expect([users.user, await floor(), await refreshes()]).toEqual([user, 1, true]);

    users.refusal = null;
    expect(await reset(ticket)).toMatchObject({ ok: true });
    expect([await floor(), await refreshes()]).toEqual([2, false]);
    expect((await app.get(CommandBus).execute(new LogInCommand('ann@example.com', NEXT))).ok).toBe(true);
  });

  // Seen red without the undoing.
  it.each(changes)('is refused %s, and has lost nothing: there is no record of a change', async (_what, command) => {
    const before = (await recorded()).map(({ id }) => id);
    users.refusal = 'last_admin';
    const answer: unknown = await app.get(CommandBus).execute<object>(command());
    expect(answer).toMatchObject({ ok: false });
    const added = (await recorded()).filter(({ id, outcome }) => !before.includes(id) && outcome === 'succeeded');
    expect([added, await floor(), await refreshes()]).toEqual([[], 1, true]);
  });

  it.each(changes)('has %s changed, and the floor with it', async (_what, command) => {
    const { user } = users;
    const answer: unknown = await app.get(CommandBus).execute<object>(command());
    expect(answer).not.toHaveProperty('error');
    expect([users.user, await floor()]).toEqual([expect.not.objectContaining(user!), 2]);
  });
});
