import { CommandBus } from '@nestjs/cqrs';
import { type CleanUp, CleanUpSessionsCommand, SessionRepository } from '../../src';
import { type Account, type Answer, startTestApplication, type TestApplication } from '../support/app/test-application';
import { testDatabase, type TestDatabase } from '../support/database/test-database';
import { gate } from '../support/gate';
import { until } from '../support/until';
import { asAdmin, changeFactor, changePassword, resetPassword, statusOfMe } from './support/administration';
import { intercept } from './support/intercept';
import { expectTrail, markedRowOf, openChain, present, rowOf, TRUSTING } from './support/sessions';

type Registered = Account & { readonly id: string };

/** A session with all the tokens that it was given, the login's first. */
interface Opened {
  readonly sessionId: string;
  readonly refreshTokens: readonly string[];
  readonly accessTokens: readonly string[];
}

const NEW_PASSWORD = 'another long passphrase';

let database: TestDatabase;
/** The instance that ends the sessions, and one that learns of it from the database alone. */
let asked: TestApplication;
let other: TestApplication;
/** Like the first one, for a user whose first reuse is enough. */
let strict: TestApplication;
beforeAll(async () => {
  database = await testDatabase();
  const env = { ...TRUSTING, CLEANUP_INTERVAL: '0' };
  asked = await startTestApplication({ database, env });
  other = await startTestApplication({ database, env });
  strict = await startTestApplication({ database, env: { ...env, REUSE_SCOPE: 'user' } });
});
afterAll(async () => {
  await Promise.all([asked.close(), other.close(), strict.close()]);
  await database.close();
});

async function open(account: Account, times = 0): Promise<Opened> {
  const answers = [(await asked.logIn(account)).body];
  for (let time = 0; time < times; time++) answers.push((await asked.refresh(answers.at(-1).refreshToken)).body);
  return {
    sessionId: answers[0].sessionId,
    refreshTokens: answers.map(({ refreshToken }) => refreshToken),
    accessTokens: answers.map(({ accessToken }) => accessToken),
  };
}

/** Presents the login's token of a session that was refreshed twice since. */
async function reuse(app: TestApplication, account: Registered): Promise<Answer> {
  const { tokens } = await openChain(app, 2, { account });
  return app.refresh(tokens[0]);
}

const listed = async ({ id }: Registered): Promise<string[]> =>
  (await asAdmin(other, 'GET', `/admin/users/${id}/sessions`)).body.items.map((item: { id: string }) => item.id);

/** Of a route that does not read the user, who may be inactive. */
const statusOfGuard = async (accessToken: string): Promise<number> =>
  (await other.get('/auth/sessions', accessToken)).status;

const alarmsOf = async ({ id }: Registered): Promise<string[]> =>
  (await other.events({ userId: id }))
    .map(({ type }) => type)
    .filter((type) => /\.(reuse_detected|forgery_suspected|rejected_due_to_rotation)\./.test(type));

async function expectRefused({ refreshTokens }: Opened, revokedReason: string): Promise<void> {
  // The current one, then what would be a replay and thefts of a session that is not over.
  for (const token of refreshTokens.toReversed()) {
    const { answer, trail } = await present(other, token);
    expect(answer).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
    expectTrail(trail, { reason: 'token_revoked', details: { revokedReason } });
  }
}

/** Returns the tokens that replace it. */
async function expectAlive({ accessToken, refreshToken }: Record<'accessToken' | 'refreshToken', string>) {
  expect(await statusOfMe(other, accessToken)).toBe(200);
  const { status, body } = await other.refresh(refreshToken);
  expect(status).toBe(200);
  return body;
}

// Seen red with sessions that are over by their marks alone: in the decision (an old token is a theft alarm as soon as a
// revocation looks at the mark alone, too), in the list, in the count; with a guard that knew of the floor before; with a
// mark that meets the sessions at the floor, and with a raise that ends none.
describe('Before a row is marked, and on another instance, no session of a user is left right after', () => {
  let marker: ReturnType<typeof gate>;
  /** How many sessions each marking that is over has marked. */
  let marked: number[];
  let restore: (() => void)[];
  beforeEach(() => {
    marker = gate();
    marked = [];
    const { opened } = marker;
    restore = [asked, other, strict].map((app) =>
      intercept(app, SessionRepository, 'markEnded', async (mark: () => Promise<number>) => {
        await opened;
        const count = await mark();
        marked.push(count);
        return count;
      }),
    );
  });
  afterEach(() => {
    marker.open();
    for (const back of restore) back();
  });

  it.each<[what: string, reason: string, end: (account: Registered, bearer: string) => Promise<Answer>]>([
    [
      'a deactivation',
      'user_deactivated',
      ({ id }) => asAdmin(asked, 'PATCH', `/admin/users/${id}`, { isActive: false }),
    ],
    [
      'a log-out everywhere',
      'user_logout_all',
      (_account, bearer) => asked.request('POST', '/auth/logout-all', { bearer }),
    ],
    [
      'a password change, whose own session lives',
      'password_changed',
      (account, bearer) => changePassword(asked, bearer, account, NEW_PASSWORD),
    ],
    [
      'the end of all by an administrator',
      'admin_action',
      ({ id }) => asAdmin(asked, 'DELETE', `/admin/users/${id}/sessions`),
    ],
    ['a reset of the password', 'password_reset', ({ id, password }) => resetPassword(asked, id, password)],
    ['a changed factor', 'factor_changed', ({ id }) => changeFactor(asked, id)],
    [
      'the second reuse within a day',
      'reuse_detected',
      async (account) => {
        await reuse(other, account);
        return reuse(asked, account);
      },
    ],
    ['the first reuse, where the scope is the user', 'reuse_detected', (account) => reuse(strict, account)],
  ])('%s', async (_what, reason, end) => {
    const account = await asked.register();
    const sessions = [await open(account, 3), await open(account, 1), await open(account)];
    const accessTokens = sessions.flatMap((session) => session.accessTokens);
    for (const token of accessTokens) expect(await statusOfGuard(token)).toBe(200);

    const ending = await end(account, sessions[2]!.accessTokens[0]!);

    expect(ending.status).toBe(reason === 'reuse_detected' ? 401 : 200);
    const kept = reason === 'password_changed' ? ending.body : null;
    const keptIds = kept === null ? [] : [kept.sessionId];
    const alarms = await alarmsOf(account);
    for (const session of sessions) await expectRefused(session, reason);
    expect(await alarmsOf(account)).toEqual(alarms);
    expect(await listed(account)).toEqual(keptIds);
    expect(await other.app.get(SessionRepository).countLiveOfUser(account.id)).toBe(keptIds.length);
    for (const token of accessTokens) await until(async () => (await statusOfGuard(token)) === 401);

    if (reason === 'user_deactivated') await asAdmin(other, 'PATCH', `/admin/users/${account.id}`, { isActive: true });
    const password = kept === null ? account.password : NEW_PASSWORD;
    const later = (await other.logIn({ ...account, password })).body;
    expect((await listed(account)).toSorted()).toEqual([...keptIds, later.sessionId].toSorted());
    let alive = [later, ...(kept === null ? [] : [kept])];
    alive = await Promise.all(alive.map(expectAlive));
    expect(marked).toEqual([]);
    for (const { sessionId } of sessions) expect(await rowOf(other, sessionId)).toMatchObject({ revoked_at: null });

    marker.open();
    await until(() => marked.length > 0);
    expect(marked).toEqual([sessions.length]);
    for (const { sessionId } of sessions)
      expect(await rowOf(other, sessionId)).toMatchObject({ revoked_at: expect.any(Date), revoked_reason: reason });
    await Promise.all(alive.map(expectAlive));
  });
});

// Seen red with a clean-up that marks nothing, and with a marker that never starts again after a failure.
it('What could not be marked is left to the next clean-up, of any instance, and the marker goes on', async () => {
  const cleanUp = (): Promise<CleanUp> => other.app.get(CommandBus).execute(new CleanUpSessionsCommand());
  const logOutEverywhere = (bearer: string) => asked.request('POST', '/auth/logout-all', { bearer });
  await cleanUp();
  const account = await asked.register();
  const sessions = [await open(account), await open(account, 1)];
  let failures = 0;
  const restore = intercept(asked, SessionRepository, 'markEnded', () => {
    failures++;
    return Promise.reject(new Error('The database is away'));
  });
  try {
    expect((await logOutEverywhere(sessions[0]!.accessTokens[0]!)).status).toBe(200);
    await until(() => failures > 0);
  } finally {
    restore();
  }
  for (const { sessionId } of sessions) expect(await rowOf(other, sessionId)).toMatchObject({ revoked_at: null });

  expect(await cleanUp()).toMatchObject({ markedSessions: 2, failures: [] });
  for (const { sessionId } of sessions)
    expect(await rowOf(other, sessionId)).toMatchObject({ revoked_reason: 'user_logout_all' });
  expect(await cleanUp()).toMatchObject({ markedSessions: 0 });
  const later = await open(account);
  await logOutEverywhere(later.accessTokens[0]!);
  expect(await markedRowOf(asked, later.sessionId)).toMatchObject({ revoked_reason: 'user_logout_all' });
});
