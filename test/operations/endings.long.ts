import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandBus } from '@nestjs/cqrs';
import { Client } from 'pg';
import { type CleanUp, CleanUpSessionsCommand, SessionRepository } from '../../src';
import { SECRETS, settings } from '../cli/ratchet';
import { asAdmin, statusOfMe } from '../http/support/administration';
import { copy, forge, openChain } from '../http/support/sessions';
import { spawnApplication } from '../support/app/child-application';
import { startTestApplication, type TestApplication } from '../support/app/test-application';
import { testDatabase, type TestDatabase } from '../support/database/test-database';
import { until } from '../support/until';

/** Two batches, the second one smaller. */
const SESSIONS = 12_000;
const BATCH = 10_000;

let database: TestDatabase;
let app: TestApplication;
/** Holds a lock, and sees who waits for it. */
let holder: Client;
let folder: string;
let application: ReturnType<typeof spawnApplication>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ratchet-endings-'));
  database = await testDatabase();
  app = await startTestApplication({ database, env: { ...SECRETS, CLEANUP_INTERVAL: '0' } });
  holder = new Client({ connectionString: database.url });
  await holder.connect();
  application = spawnApplication(folder, { ...settings(database.url), CLEANUP_INTERVAL: '0' });
});
afterAll(async () => {
  application.child.kill('SIGKILL');
  await application.exited;
  await holder.end();
  await app.close();
  await database.close();
  await rm(folder, { recursive: true });
});

/** Makes the transaction that marks this session wait, until it is released. */
async function holdMarkOf(sessionId: string) {
  await holder.query('SELECT pg_advisory_lock(1)');
  await holder.query(`
    CREATE FUNCTION wait_for_the_test() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$;
    CREATE TRIGGER wait_for_the_test BEFORE UPDATE ON sessions FOR EACH ROW WHEN (OLD.id = '${sessionId}')
      EXECUTE FUNCTION wait_for_the_test()`);
  const waiting = async (): Promise<number[]> => {
    const { rows } = await holder.query(
      'SELECT pid FROM pg_locks WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))',
    );
    return rows.map(({ pid }) => pid);
  };
  return {
    waitedFor: () => until(async () => (await waiting()).length > 0),
    /** Resolves when the server has noticed, too, that its client is dead. */
    release: async () => {
      const pids = await waiting();
      await holder.query('SELECT pg_advisory_unlock(1)');
      const alive = 'SELECT FROM pg_stat_activity WHERE pid = ANY($1)';
      await until(async () => (await holder.query(alive, [pids])).rowCount === 0);
    },
  };
}

/** How many sessions of the user were ended for which reason, as their rows say. */
const marksOf = (userId: string) =>
  app.query(
    'SELECT revoked_reason AS reason, count(*)::integer FROM sessions WHERE user_id = $1 GROUP BY 1 ORDER BY 1 NULLS LAST',
    [userId],
  );
const cleanUp = (): Promise<CleanUp> => app.app.get(CommandBus).execute(new CleanUpSessionsCommand());

// Seen red with a clean-up that marks nothing, with one transaction for all marks, and with a decision, a list and a
// revocation that know the marks alone.
it('a process that is killed while it marks has ended everything before, and the next clean-up elsewhere marks the rest', async () => {
  const url = await application.listening();
  const { account, sessionId, tokens, current } = await openChain(app, 2);
  const { accessToken } = (await app.logIn(account)).body;
  const ids = [sessionId, ...(await copy(app, sessionId, SESSIONS - 2))].toSorted();
  const mark = await holdMarkOf(ids[BATCH + 1000]!);

  const answer = await fetch(`${url}/auth/logout-all`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${accessToken}` },
  });
  expect([answer.status, await answer.json()]).toEqual([200, { revokedSessions: SESSIONS }]);
  await mark.waitedFor();
  application.child.kill('SIGKILL');
  expect(await application.exited).toBeNull();
  await mark.release();

  expect(await marksOf(account.id)).toEqual([
    { reason: 'user_logout_all', count: BATCH },
    { reason: null, count: SESSIONS - BATCH },
  ]);
  const expectAllOver = async () => {
    for (let place = 0; place < ids.length; place += 500)
      for (const token of [current, tokens[1]!, tokens[0]]) {
        const { status, body } = await app.refresh(forge(app, token, { sessionId: ids[place]! }));
        expect([place, status, body.code]).toEqual([place, 401, 'token_revoked']);
      }
    await until(async () => (await statusOfMe(app, accessToken)) === 401);
    const types = (await app.events({ userId: account.id })).map(({ type }) => type);
    expect(types.filter((type) => /\.(reuse_detected|forgery_suspected)\./.test(type))).toEqual([]);
  };
  await expectAllOver();
  const { body } = await asAdmin(app, 'GET', `/admin/users/${account.id}/sessions`);
  expect(body).toEqual({ items: [], nextCursor: null });
  expect(await app.app.get(SessionRepository).countLiveOfUser(account.id)).toBe(0);
  const later = (await app.logIn(account)).body;

  expect(await cleanUp()).toMatchObject({ markedSessions: SESSIONS - BATCH, evictedSessions: 0, failures: [] });
  expect(await marksOf(account.id)).toEqual([
    { reason: 'user_logout_all', count: SESSIONS },
    { reason: null, count: 1 },
  ]);
  expect(await cleanUp()).toMatchObject({ markedSessions: 0 });
  await expectAllOver();
  expect(await statusOfMe(app, later.accessToken)).toBe(200);
  expect((await app.refresh(later.refreshToken)).status).toBe(200);
});
