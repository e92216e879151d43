import { setImmediate } from 'node:timers/promises';
import { CommandBus } from '@nestjs/cqrs';
import { type CleanUp, CleanUpSessionsCommand, SessionRepository } from '../../src';
import { startTestApplication, type TestApplication } from '../support/app/test-application';
import { testDatabase, type TestDatabase } from '../support/database/test-database';
import { until } from '../support/until';
import { asAdmin } from './support/administration';
import { intercept } from './support/intercept';
import { age, type Chain, openChain, rowOf } from './support/sessions';

const DAY = 24 * 60 * 60;
/** A session ends 30 days after its login at the latest, and is kept for 30 more. */
const KEPT = 60 * DAY;

const cleanUp = (app: TestApplication, dryRun = false): Promise<CleanUp> =>
  app.app.get(CommandBus).execute(new CleanUpSessionsCommand(dryRun));

const NOTHING: CleanUp = {
  sessions: 0,
  markedSessions: 0,
  evictedSessions: 0,
  revocations: 0,
  auditPartitions: 0,
  auditRows: 0,
  failures: [],
};

describe('A clean-up', () => {
  let database: TestDatabase;
  let app: TestApplication;
  let thrifty: TestApplication;
  beforeAll(async () => {
    database = await testDatabase();
    app = await startTestApplication({ database });
    thrifty = await startTestApplication({ database, env: { AUDIT_RETENTION: '60d' } });
  });
  afterAll(async () => {
    await Promise.all([app.close(), thrifty.close()]);
    await database.close();
  });
  beforeEach(() => cleanUp(app));

  const aged = async (seconds: number, times = 0): Promise<Chain> => {
    const chain = await openChain(app, times);
    await age(app, chain.sessionId, seconds);
    return chain;
  };

  // Seen red without the retention, with the idle limit for the absolute one, and with the revoked ones in it.
  it('deletes the sessions that are past their retention, and none before: neither live, nor expired, nor revoked ones', async () => {
    const live = await openChain(app, 1);
    const idle = await aged(8 * DAY);
    const expired = await aged(KEPT - 60);
    const stolen = await openChain(app, 2);
    await app.refresh(stolen.tokens[0]);
    await age(app, stolen.sessionId, KEPT - 60);
    const ended = [await aged(KEPT + 60), await aged(KEPT + 60, 2), await aged(10 * KEPT)];

    expect(await cleanUp(app)).toEqual({
      ...NOTHING,
      sessions: 3,
    });
    for (const { sessionId } of [live, idle, expired, stolen]) expect(await rowOf(app, sessionId)).toBeDefined();
    for (const { sessionId } of ended) expect(await rowOf(app, sessionId)).toBeUndefined();
    expect(await rowOf(app, stolen.sessionId)).toMatchObject({ revoked_reason: 'reuse_detected' });
    expect((await app.refresh(live.current)).status).toBe(200);
    expect(await cleanUp(app)).toEqual(NOTHING);
  });

  it('leaves the history of what it deletes', async () => {
    const { sessionId } = await aged(KEPT + 60, 2);
    await cleanUp(app);
    const { items } = (await asAdmin(app, 'GET', `/admin/sessions/${sessionId}/history`)).body;
    expect(items).toHaveLength(7);
  });

  it('only counts in a dry run', async () => {
    const ended = [await aged(KEPT + 60), await aged(KEPT + 60)];
    await app.query(`INSERT INTO revocations (kind, subject_id, reason, created_at)
      SELECT 'session', gen_random_uuid(), 'user_logout', now() - interval '25 hours' FROM generate_series(1, 4)`);
    for (let time = 0; time < 2; time++) {
      expect(await cleanUp(app, true)).toEqual({
        ...NOTHING,
        sessions: 2,
        revocations: 4,
      });
    }
    for (const { sessionId } of ended) expect(await rowOf(app, sessionId)).toBeDefined();
    expect(await cleanUp(app)).toEqual({
      ...NOTHING,
      sessions: 2,
      revocations: 4,
    });
    expect(await cleanUp(app, true)).toEqual(NOTHING);
  });

  it('forgets revocations after a day, and none that an access token could still meet', async () => {
    const { body } = await app.logIn();
    await app.post('/auth/logout', { refreshToken: body.refreshToken });
    await app.query(`UPDATE revocations SET created_at = created_at - interval '23 hours'`);
    expect(await cleanUp(app)).toMatchObject({ revocations: 0 });
    await app.query(`UPDATE revocations SET created_at = created_at - interval '1 hour'`);
    expect((await cleanUp(app)).revocations).toBeGreaterThanOrEqual(1);
    expect(await app.query('SELECT FROM revocations')).toEqual([]);
    expect((await app.get('/auth/me', body.accessToken)).status).toBe(401);
  });

  it('drops old events only where that is asked for', async () => {
    await app.query(`CREATE TABLE auth_events_2020_01 PARTITION OF auth_events
      FOR VALUES FROM ('2020-01-01T00:00:00Z') TO ('2020-02-01T00:00:00Z')`);
    await app.query(`INSERT INTO auth_events (id, type, occurred_at, user_agent, outcome)
      SELECT gen_random_uuid(), 'a.test.v1', '2000-01-01', 'agent', 'failed'`);
    expect(await cleanUp(app)).toMatchObject({ auditPartitions: 0, auditRows: 0 });
    expect(await cleanUp(thrifty, true)).toMatchObject({ auditPartitions: 1, auditRows: 1 });
    expect(await cleanUp(thrifty)).toMatchObject({ auditPartitions: 1, auditRows: 1 });
    expect(await cleanUp(thrifty)).toMatchObject({ auditPartitions: 0, auditRows: 0 });
    expect((await app.logIn()).status).toBe(200);
  });

  it('meets another one: together they delete everything once', async () => {
    for (let i = 0; i < 6; i++) await aged(KEPT + 60);
    const both = await Promise.all([cleanUp(app), cleanUp(thrifty)]);
    expect(both[0].sessions + both[1].sessions).toBe(6);
    expect(await cleanUp(app)).toMatchObject({ sessions: 0 });
  });

  it('is counted', async () => {
    await aged(KEPT + 60);
    await cleanUp(thrifty);
    const { body } = await thrifty.get('/metrics');
    expect(body).toMatch(/^ratchet_cleaned_rows_total{what="sessions"} [1-9]/m);
    expect(body).toMatch(/^ratchet_cleaned_rows_total{what="audit_partitions"} [01]$/m);
    expect(body).toMatch(/^ratchet_cleaned_rows_total{what="audit_rows"} [01]$/m);
  });

  // Seen red with one failure for all steps.
  it('does the other steps where one fails, and says which', async () => {
    const { sessionId } = await aged(KEPT + 60);
    await app.query('ALTER TABLE revocations RENAME TO taken_away');
    try {
      expect(await cleanUp(thrifty)).toMatchObject({
        sessions: 1,
        revocations: 0,
        failures: [{ step: 'revocations', problem: 'relation "ratchet.revocations" does not exist' }],
      });
    } finally {
      await app.query('ALTER TABLE taken_away RENAME TO revocations');
    }
    expect(await rowOf(app, sessionId)).toBeUndefined();
  });
});

describe('A clean-up from time to time', () => {
  it('comes by itself, and says what it did', async () => {
    const app = await startTestApplication({ env: { CLEANUP_INTERVAL: '1s', LOG_LEVEL: 'info' } });
    try {
      const { sessionId } = await openChain(app);
      await age(app, sessionId, KEPT + 60);
      await until(async () => (await rowOf(app, sessionId)) === undefined);
      await until(() => app.log.some(({ msg }) => /^Cleaned up 1 sessions/.test(String(msg))));
    } finally {
      await app.close();
    }
  });

  // Seen red without the stop: it would go on for ever, and the application with it.
  it('ends with the application after the batch that is under way, however much is left', async () => {
    const app = await startTestApplication({ env: { CLEANUP_INTERVAL: '1s' } });
    let batches = 0;
    intercept(app, SessionRepository, 'deleteEnded', async () => {
      batches++;
      await setImmediate();
      return 1000;
    });
    await until(() => batches > 1);
    await app.close();
    const done = batches;
    await setImmediate();
    expect(batches).toBe(done);
  });

  it('outlives a failure', async () => {
    const app = await startTestApplication({ env: { CLEANUP_INTERVAL: '1s', LOG_LEVEL: 'info' } });
    try {
      const { sessionId } = await openChain(app);
      await app.query('ALTER TABLE revocations RENAME TO taken_away');
      await until(() =>
        app.log.some(
          ({ level, msg }) => level === 'warn' && /^The clean-up of revocations failed, the next one/.test(String(msg)),
        ),
      );
      await app.query('ALTER TABLE taken_away RENAME TO revocations');
      await age(app, sessionId, KEPT + 60);
      await until(async () => (await rowOf(app, sessionId)) === undefined);
    } finally {
      await app.close();
    }
  });
});
