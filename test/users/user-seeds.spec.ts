import { type INestApplication, Logger } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { DataSource } from 'typeorm';
import { LogInCommand, TypeOrmUnitOfWork, UserDirectory, UserRegistered } from '../../src';
import { DEMO_ACCOUNTS, RegisterUserCommand } from '../../src/users';
import { OpenAccount } from '../../src/users/open-account';
import { UserSeeds } from '../../src/users/user-seeds';
import { UserEntity } from '../../src/users/user.entity';
import type { UsersOptions } from '../../src/users/users.options';
import { testDatabase, type TestDatabase } from '../support/database/test-database';
import { usersApp } from './users-app';

const ADMIN = { email: 'Root@example.com', password: 'a sensible bootstrap' };

let database: TestDatabase;
let app: INestApplication;
beforeAll(async () => {
  database = await testDatabase();
  app = await usersApp(database.url);
});
afterAll(async () => {
  await app.close();
  await database.close();
});
beforeEach(async () => {
  await app.get(DataSource).query('TRUNCATE users, first_admin, auth_events, sessions, user_token_versions');
});
afterEach(() => jest.restoreAllMocks());

const NOTHING: UsersOptions = { registrationEnabled: false, bootstrapAdmin: null, demoAccounts: false };

const seedsOf = (users: Partial<UsersOptions>, opening = app.get(OpenAccount)) =>
  new UserSeeds({ ...NOTHING, ...users }, opening, app.get(TypeOrmUnitOfWork));

/** What a start with these options does of itself, on the database of this file. */
async function start(users: Partial<UsersOptions> = {}) {
  await seedsOf(users).onApplicationBootstrap();
  const dataSource = app.get(DataSource);
  const commands = app.get(CommandBus);
  return {
    dataSource,
    directory: app.get(UserDirectory),
    users: () => dataSource.getRepository(UserEntity).find({ order: { email: 'ASC' } }),
    register: (email: string, password: string) => commands.execute(new RegisterUserCommand(email, password)),
    canLogIn: async ({ email, password }: { email: string; password: string }) =>
      (await commands.execute(new LogInCommand(email, password))).ok,
  };
}

describe('the bootstrap administrator', () => {
  it('is created at the first start, and recorded', async () => {
    const { users, canLogIn, dataSource } = await start({ bootstrapAdmin: ADMIN });
    expect(await users()).toEqual([expect.objectContaining({ email: 'root@example.com', roles: ['admin', 'user'] })]);
    expect(await canLogIn(ADMIN)).toBe(true);
    const records = await dataSource.query(`SELECT details FROM auth_events WHERE type = '${UserRegistered.type}'`);
    expect(records).toEqual([{ details: { roles: ['admin', 'user'] } }]);
  });

  it('is not created without a setting', async () => {
    expect(await (await start()).users()).toEqual([]);
  });

  it('keeps the password that was set since, at every later start', async () => {
    const first = await start({ bootstrapAdmin: ADMIN });
    const [admin] = await first.users();
    await first.directory.replacePasswordHash(admin!.id, admin!.passwordHash, 'a hash of another password');
    const { users } = await start({ bootstrapAdmin: ADMIN });
    expect(await users()).toEqual([
      expect.objectContaining({ id: admin!.id, passwordHash: 'a hash of another password' }),
    ]);
  });

  it('never promotes the account that has its e-mail', async () => {
    const first = await start();
    await first.register('root@example.com', 'somebody else has it');
    const [before] = await first.users();
    const warned = jest.spyOn(Logger.prototype, 'warn');
    const { users, canLogIn } = await start({ bootstrapAdmin: ADMIN });
    expect(await users()).toEqual([before]);
    expect(await canLogIn(ADMIN)).toBe(false);
    expect(warned).toHaveBeenCalledWith(expect.stringMatching(/an ordinary account has the e-mail/));
  });

  // Seen red: the instance that came second told that an ordinary account has the e-mail.
  it('is nothing to warn of when another instance has just created it', async () => {
    const { users } = await start();
    const opening = app.get(OpenAccount);
    const open = opening.open.bind(opening);
    jest.spyOn(opening, 'open').mockImplementationOnce(async (...account) => {
      await open(...account);
      return open(...account);
    });
    const warned = jest.spyOn(Logger.prototype, 'warn');
    await seedsOf({ bootstrapAdmin: ADMIN }, opening).onApplicationBootstrap();
    expect(await users()).toHaveLength(1);
    expect(warned).not.toHaveBeenCalled();
  });

  it.each([
    ['is gone', (id: string, { dataSource }: Started) => dataSource.query(`DELETE FROM users WHERE id = $1`, [id])],
    ['has lost the role', (id: string, { directory }: Started) => directory.setRoles!(id, ['user'])],
    [
      'has another e-mail',
      (id: string, { dataSource }: Started) =>
        dataSource.query(`UPDATE users SET email = 'x@example.com' WHERE id = $1`, [id]),
    ],
  ])('does not come back once the first administrator %s', async (_, change) => {
    const first = await start({ bootstrapAdmin: ADMIN });
    const [admin] = await first.users();
    await change(admin!.id, first);
    const before = await first.users();
    expect(await (await start({ bootstrapAdmin: ADMIN })).users()).toEqual(before);
  });

  it('is not created where anybody was made an administrator by other means', async () => {
    const first = await start();
    await first.register('sam@example.com', 'four sensible words here');
    const [sam] = await first.users();
    await first.directory.setRoles!(sam!.id, ['admin']);
    await first.directory.setRoles!(sam!.id, ['user']);
    expect(await (await start({ bootstrapAdmin: ADMIN })).users()).toHaveLength(1);
  });

  it('is one account when instances start together', async () => {
    const options = { bootstrapAdmin: ADMIN, demoAccounts: true };
    const others = await Promise.all([usersApp(database.url, options), usersApp(database.url, options)]);
    await Promise.all(others.map((other) => other.close()));
    // Both kinds of account, by the start itself.
    const { users, canLogIn } = await start();
    expect(await users()).toHaveLength(3);
    expect(await canLogIn(ADMIN)).toBe(true);
    expect(await (await start(options)).users()).toHaveLength(3);
  });
});

describe('the demo accounts', () => {
  it('are there after a start, and their passwords work', async () => {
    const { users, canLogIn } = await start({ demoAccounts: true });
    expect((await users()).map(({ email, roles }) => [email, roles])).toEqual([
      ['admin@example.com', ['admin', 'user']],
      ['user@example.com', ['user']],
    ]);
    for (const account of DEMO_ACCOUNTS) expect(await canLogIn(account)).toBe(true);
  });

  it('are left as they are by a second start', async () => {
    const first = await start({ demoAccounts: true });
    const [admin] = await first.users();
    await first.directory.setRoles!(admin!.id, []);
    const before = await first.users();
    expect(await (await start({ demoAccounts: true })).users()).toEqual(before);
  });

  it('are not there unless they are asked for', async () => {
    const { users, canLogIn } = await start({ demoAccounts: false });
    expect(await users()).toEqual([]);
    for (const account of DEMO_ACCOUNTS) expect(await canLogIn(account)).toBe(false);
  });

  it('have addresses and passwords that anyone may register', async () => {
    const { register } = await start();
    for (const { email, password } of DEMO_ACCOUNTS) expect((await register(email, password)).ok).toBe(true);
  });
});

type Started = Awaited<ReturnType<typeof start>>;
