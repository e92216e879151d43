import { CommandBus } from '@nestjs/cqrs';
import { ActAsUserCommand, IssueResetTicketCommand, ResetPasswordCommand } from '../../src';
import { newAccessTokenKey, newRefreshTokenRoot } from '../../src/new-keys';
import { asAdmin } from '../http/support/administration';
import { startTestApplication, type Json, type TestApplication } from '../support/app/test-application';
import { testDatabase, type TestDatabase } from '../support/database/test-database';
import { granted } from '../support/result';
import { until } from '../support/until';

const KEYS = {
  ACCESS_TOKEN_KEYS: `test:${newAccessTokenKey('HS256')}`,
  REFRESH_TOKEN_KEYS: `0:${newRefreshTokenRoot()}`,
};

interface Account {
  readonly id: string;
  readonly email: string;
  readonly password: string;
  readonly pair: Json;
}

describe('On two instances, a token by which somebody acts for a user', () => {
  let database: TestDatabase;
  let here: TestApplication;
  let there: TestApplication;
  let user: Account;
  let actor: Account;
  beforeAll(async () => {
    database = await testDatabase();
    here = await startTestApplication({ database, env: KEYS });
    there = await startTestApplication({ database, env: KEYS });
  });
  afterAll(async () => {
    await Promise.all([here.close(), there.close()]);
    await database.close();
  });

  const open = async (): Promise<Account> => {
    const account = await here.register();
    return { ...account, pair: (await here.logIn(account)).body };
  };
  beforeEach(async () => {
    [user, actor] = [await open(), await open()];
  });

  const act = async (of = actor) => {
    const command = new ActAsUserCommand(of.pair.sessionId, user.id, { reason: 'Ticket 4711', ttl: 300 });
    return granted(await here.app.get(CommandBus).execute(command)).accessToken;
  };
  /** A route that requires the user in person reads nothing for it: 403 is the guard's yes, and 401 its no. */
  const isAdmitted = async (app: TestApplication, token: string): Promise<boolean> => {
    const { status } = await app.get('/auth/sessions', token);
    if (status !== 403) expect(status).toBe(401);
    return status === 403;
  };
  const reset = async ({ id }: Account) => {
    const bus = here.app.get(CommandBus);
    const ticket = granted(await bus.execute(new IssueResetTicketCommand(id)));
    granted(await bus.execute(new ResetPasswordCommand(ticket, 'another long passphrase')));
  };

  const ENDS: [whose: 'actor' | 'user', what: string, end: () => Promise<unknown>][] = [
    ['actor', 'log-out', () => here.post('/auth/logout', { refreshToken: actor.pair.refreshToken })],
    ['actor', 'deactivation', () => asAdmin(here, 'PATCH', `/admin/users/${actor.id}`, { isActive: false })],
    ['actor', 'reset of the password', () => reset(actor)],
    ['user', 'log-out everywhere', () => here.request('POST', '/auth/logout-all', { bearer: user.pair.accessToken })],
    ['user', 'deactivation', () => asAdmin(here, 'PATCH', `/admin/users/${user.id}`, { isActive: false })],
    ['user', 'reset of the password', () => reset(user)],
  ];

  // Seen red, each, without its question in the guard. test/propagation/instances.long.ts has the times.
  it.each(ENDS)('ends with the %s’s %s, at once here and within moments there', async (whose, _what, end) => {
    const acting = await act();
    const bystander = await act(await open());
    for (const app of [here, there]) await until(() => isAdmitted(app, acting));
    await end();
    expect(await isAdmitted(here, acting)).toBe(false);
    await until(async () => !(await isAdmitted(there, acting)));
    // Another one who acts for the same user continues, unless it was the user's end.
    for (const app of [here, there]) expect(await isAdmitted(app, bystander)).toBe(whose === 'actor');
  });
});
