import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import type { Pool } from 'pg';
import type { DataSource } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver';
import type { Session, SessionRepository } from '../../src';
import { REVOCATION_REASONS } from '../../src/auth/domain/refusals';
import { cursorOf, positionOf } from '../../src/support/cursor';
import { newSession, nextToken, onPostgres, refreshRecord } from '../ports/adapters';
import { statementSizes } from '../support/database/statement-sizes';
import { freshDatabase, testDatabase, type TestDatabase } from '../support/database/test-database';
import { gate } from '../support/gate';

/** What the promises of the port do not say, but the database must. */
describe('the sessions on PostgreSQL', () => {
  let database: TestDatabase;
  let dataSource: DataSource;

  beforeAll(async () => {
    database = await testDatabase();
    dataSource = await database.connect();
  });
  afterAll(() => database.close());

  async function rotated(sessions: SessionRepository, live: Session): Promise<Session> {
    // Another idle limit each time, as in life: an index on it would end the HOT updates.
    const expiresAt = new Date(live.createdAt.getTime() + 60_000 + live.generation);
    const next = nextToken(live, { expiresAt });
    expect(await sessions.rotate(live, next, refreshRecord(live))).toBe(true);
    return { ...live, generation: live.generation + 1, tokenHash: next.tokenHash };
  }

  // Seen red without the trigger.
  it('never move an absolute expiry, whoever tries', async () => {
    const { sessions } = onPostgres(dataSource);
    const { id, absoluteExpiresAt } = await sessions.open(newSession());
    const move = (by: string) =>
      dataSource.query(`UPDATE sessions SET absolute_expires_at = absolute_expires_at ${by} WHERE id = $1`, [id]);
    for (const by of ["+ interval '1 microsecond'", "- interval '1 microsecond'"]) {
      await expect(move(by)).rejects.toThrow('is set once');
    }
    await move('');
    const [row] = await dataSource.query<{ at: Date }[]>(
      'SELECT absolute_expires_at AS at FROM sessions WHERE id = $1',
      [id],
    );
    expect(row?.at).toEqual(absoluteExpiresAt);
  });

  it('never have an idle limit past the absolute one', async () => {
    const { sessions } = onPostgres(dataSource);
    const { id } = await sessions.open(newSession());
    const beyond = dataSource.query(
      `UPDATE sessions SET expires_at = absolute_expires_at + interval '1 microsecond' WHERE id = $1`,
      [id],
    );
    await expect(beyond).rejects.toThrow('check constraint');
  });

  // Seen red without the trigger, and with a reason that the trigger does not know.
  it('know every reason of a revocation and every delivery, and no other', async () => {
    const { sessions } = onPostgres(dataSource);
    const { id } = await sessions.open(newSession());
    const set = (columns: string, value: string) =>
      dataSource.query(`UPDATE sessions SET ${columns} WHERE id = $1`, [id, value]);
    const unknown = set('revoked_at = now(), revoked_reason = $2', 'boredom');
    await expect(unknown).rejects.toThrow('revoked_reason of session');
    await expect(set('delivery = $2', 'pigeon')).rejects.toThrow('delivery of session');
    await expect(set('revoked_reason = $2', 'user_logout')).rejects.toThrow('go together');
    for (const delivery of ['cookie', 'body']) await set('delivery = $2', delivery);
    for (const reason of REVOCATION_REASONS) await set('revoked_at = now(), revoked_reason = $2', reason);
  });

  // PostgreSQL reads each of them anew for each rotation: ADR 12.
  it('and events have no more checks than the one that the limits need', async () => {
    const checks = await dataSource.query<{ on: string; rule: string }[]>(
      `SELECT conrelid::regclass::text AS "on", pg_get_constraintdef(oid) AS rule FROM pg_constraint
        WHERE contype = 'c' AND conrelid IN ('sessions'::regclass, 'auth_events'::regclass)`,
    );
    expect(checks).toEqual([{ on: 'sessions', rule: 'CHECK ((expires_at <= absolute_expires_at))' }]);
  });

  // Seen red with an index on expires_at.
  it('have no index on a column that a rotation or a replay changes', async () => {
    const indexed = await dataSource.query<{ name: string }[]>(
      `SELECT DISTINCT a.attname AS name FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = 'sessions'::regclass`,
    );
    expect(indexed.map(({ name }) => name).sort()).toEqual(['absolute_expires_at', 'id', 'user_id']);
  });

  it('stay one row over 1,000 rotations, at least 95 % of them HOT', async () => {
    const own = await database.connect(1);
    const { sessions } = onPostgres(own);
    const statistics = async () => {
      // Counted by each connection for itself, and given away when it is asked to.
      await own.query('SELECT pg_stat_force_next_flush()');
      await own.query('SELECT pg_stat_clear_snapshot()');
      const [row] = await own.query<{ updates: string; hot: string }[]>(
        `SELECT n_tup_upd AS updates, n_tup_hot_upd AS hot FROM pg_stat_user_tables WHERE relname = 'sessions'`,
      );
      return { updates: Number(row?.updates), hot: Number(row?.hot) };
    };
    const before = await statistics();
    const opened = await sessions.open(newSession());
    let live = opened;
    for (let i = 0; i < 1_000; i++) live = await rotated(sessions, live);
    const after = await statistics();

    expect(live.generation).toBe(1_000);
    const [count] = await own.query<{ rows: number }[]>(
      'SELECT count(*)::integer AS rows FROM sessions WHERE user_id = $1',
      [opened.userId],
    );
    expect(count?.rows).toBe(1);
    expect(after.updates - before.updates).toBe(1_000);
    expect(after.hot - before.hot).toBeGreaterThanOrEqual(950);
  });

  describe.each([true, false])('with prepared statements: %s', (prepared) => {
    it('are read, rotated and replayed by one statement each', async () => {
      const own = await database.connect(1);
      const pool = (own.driver as PostgresDriver).master as Pool;
      const client = await pool.connect(); // the only one
      client.release();
      const sent: { name?: string; text: string }[] = [];
      const query = client.query.bind(client) as (...args: unknown[]) => unknown;
      Object.assign(client, {
        query: (...args: [string | { name?: string; text: string }, ...unknown[]]) => {
          sent.push(typeof args[0] === 'string' ? { text: args[0] } : args[0]);
          return query(...args);
        },
      });
      const { sessions } = onPostgres(own, { preparedStatements: prepared });
      const opened = await sessions.open(newSession());
      const statementsOf = async (work: () => Promise<unknown>) => {
        sent.length = 0;
        await work();
        return sent.map(({ name, text }) => [name !== undefined, /SELECT|UPDATE/.exec(text)?.[0]]);
      };

      expect(await statementsOf(() => sessions.findForRefresh(opened.id))).toEqual([[prepared, 'SELECT']]);
      const atOnce = (count: number) =>
        Promise.all(Array.from({ length: count }, () => sessions.findForRefresh(opened.id)));
      expect(await statementsOf(() => atOnce(16))).toEqual([[prepared, 'SELECT']]);
      expect(await statementsOf(() => atOnce(17))).toHaveLength(2);
      expect(await statementsOf(() => rotated(sessions, opened))).toEqual([[prepared, 'UPDATE']]);
      const { session } = (await sessions.findForRefresh(opened.id))!;
      const replay = { door: 'window', maxReplays: 1, retryKeyHash: null } as const;
      expect(await statementsOf(() => sessions.confirmReplay(session, replay, refreshRecord(session, true)))).toEqual([
        [prepared, 'UPDATE'],
      ]);
      expect((await sessions.findForRefresh(opened.id))?.session).toMatchObject({ generation: 1, replayCount: 1 });

      // Two rotations share their write, two adoptions do not. Seen red with adoptions among the shared rotations.
      const two = [await sessions.open(newSession()), await sessions.open(newSession())];
      expect(await statementsOf(() => Promise.all(two.map((one) => rotated(sessions, one))))).toEqual([
        [prepared, expect.any(String)],
      ]);
      const adopt = async ({ id }: Session) => {
        const live = (await sessions.findForRefresh(id))!.session;
        const presented = { generation: 3, tokenHash: randomBytes(32) };
        return () => sessions.adopt(live, presented, nextToken({ ...two[0]!, ...live }), refreshRecord(live));
      };
      const adoptions = await Promise.all(two.map(adopt));
      expect(await statementsOf(() => Promise.all(adoptions.map((start) => start())))).toEqual([
        [prepared, 'UPDATE'],
        [prepared, 'UPDATE'],
      ]);
      expect((await sessions.findForRefresh(two[1]!.id))?.session.generation).toBe(4);
    });
  });

  // Seen red without encode(): every refresh would be taken for a forgery.
  it('are read the same where the server writes bytes in its other form', async () => {
    const own = await database.connect(1);
    await own.query("SET bytea_output = 'escape'");
    const { sessions } = onPostgres(own);
    const opened = await sessions.open(newSession({ tokenHash: Buffer.from('61'.repeat(31) + '5c', 'hex') }));
    const live = await rotated(sessions, opened);
    expect((await sessions.findForRefresh(opened.id))?.session).toMatchObject({
      tokenHash: live.tokenHash,
      previousTokenHash: opened.tokenHash,
      retryKeyHash: null,
    });
  });

  it('leave the users to the directory where they are not in this database', async () => {
    const elsewhere = Object.assign(onPostgres(dataSource).users, { joinable: undefined });
    const { sessions } = onPostgres(dataSource, {}, elsewhere);
    const { id } = await sessions.open(newSession());
    expect((await sessions.findForRefresh(id))?.user).toBeUndefined();
  });

  it('need one connection, whatever a unit of work does', async () => {
    const { sessions, policies, log, unitOfWork } = onPostgres(await database.connect(1));
    const { id, userId, ...live } = await sessions.open(newSession());
    await unitOfWork.run(async () => {
      await sessions.lockUser(userId);
      await sessions.open(newSession({ userId }));
      expect((await sessions.findById(id))?.userId).toBe(userId);
      expect(await sessions.revoke(id, 'reuse_detected')).toBe(true);
      expect(await sessions.countReuses(userId)).toBe(1);
      expect(await policies.raiseUserFloor(userId, 'a test', null)).toBe(2);
      expect((await policies.floorsOf(userId)).floors.userMinTokenVersion).toBe(2);
      expect(await sessions.countLiveOfUser(userId)).toBe(0);
      expect(await policies.raiseUserFloor(userId, 'admin_action', 'admin_action')).toBe(3);
      expect(await sessions.markEnded(userId)).toBe(1);
      await log.append(refreshRecord({ id, userId, ...live }));
      expect((await log.find({ userId }, 10)).items).toHaveLength(2);
    });
  });

  describe('are cleaned up', () => {
    const ended = () => newSession({ idleTtlSeconds: -40 * 86_400, absoluteTtlSeconds: -40 * 86_400 });

    // Seen red without SKIP LOCKED: it waits for ever.
    it('without waiting for a row that somebody is at', async () => {
      const { sessions, unitOfWork } = onPostgres(dataSource);
      const [held, other] = [await sessions.open(ended()), await sessions.open(ended())];
      await unitOfWork.run(async () => {
        await unitOfWork.manager.query('SELECT FROM sessions WHERE id = $1 FOR UPDATE', [held.id]);
        const elsewhere = onPostgres(await database.connect(1));
        expect(await elsewhere.sessions.deleteEnded(10)).toBe(1);
      });
      const left = await dataSource.query('SELECT id FROM sessions WHERE id = ANY($1)', [[held.id, other.id]]);
      expect(left).toEqual([{ id: held.id }]);
      expect(await sessions.deleteEnded(10)).toBe(1);
    });

    it('by one at a time: who comes in between is told so, and deletes nothing', async () => {
      const { sessions, unitOfWork } = onPostgres(dataSource);
      await sessions.open(ended());
      await unitOfWork.run(async () => {
        expect(await sessions.deleteEnded(10)).toBe(1);
        const elsewhere = onPostgres(await database.connect(1));
        expect(await elsewhere.sessions.deleteEnded(10)).toBeNull();
      });
      expect(await sessions.deleteEnded(10)).toBe(0);
    });
  });

  // Seen red with one statement for all, and with the batches of which one is left out.
  it('end all in statements of a bounded size: a limit of time for each is no limit for their number', async () => {
    const own = await freshDatabase();
    try {
      const many = await own.connect();
      const { sessions } = onPostgres(many);
      await sessions.open(newSession());
      const columns = (
        await many.query<{ name: string }[]>(
          `SELECT column_name AS name FROM information_schema.columns WHERE table_name = 'sessions' AND column_name <> 'id'`,
        )
      )
        .map(({ name }) => name)
        .join();
      await many.query(
        `INSERT INTO sessions (id, ${columns}) SELECT gen_random_uuid(), ${columns} FROM sessions, generate_series(1, 20000)`,
      );
      const sizes = await statementSizes(many, 'sessions', 'UPDATE');
      expect(await sessions.revokeBelowGlobal(2, 'admin_action')).toBe(20_001);
      expect(await sizes()).toEqual([10_000, 10_000, 1, 0]);
    } finally {
      await own.close();
    }
  });

  // Seen red with the position in milliseconds: sessions of the same millisecond were skipped.
  it('are paged in the database’s own microseconds: none skipped, none repeated, whatever uses coincide', async () => {
    const { sessions } = onPostgres(dataSource);
    const microseconds = fc.array(fc.oneof(fc.nat(3), fc.nat(1_000_000)), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(microseconds, fc.integer({ min: 1, max: 5 }), async (used, limit) => {
        const { userId } = newSession();
        const opened: { id: string; use: number }[] = [];
        for (const use of used) {
          const { id } = await sessions.open(newSession({ userId }));
          await dataSource.query(
            `UPDATE sessions SET last_used_at = '2026-01-31T12:00:00.123Z'::timestamptz + $2::integer * interval '1 microsecond' WHERE id = $1`,
            [id, use],
          );
          opened.push({ id, use });
        }
        const pages: string[][] = [];
        for (
          let cursor: string | null = '', after = undefined;
          cursor !== null;
          after = positionOf(cursor) ?? undefined
        ) {
          const { items, next } = await sessions.findLiveOfUser(userId, limit, after);
          pages.push(items.map(({ id }) => id));
          cursor = next && cursorOf(next);
        }
        const expected = opened.sort((one, other) => other.use - one.use || (other.id > one.id ? 1 : -1));
        expect(pages.flat()).toEqual(expected.map(({ id }) => id));
        expect(pages).toHaveLength(Math.max(1, Math.ceil(used.length / limit)));
      }),
      { numRuns: 40, endOnFailure: true }, // smaller examples take longer than a test may
    );
  });

  // Seen red without the estimate, and without the savepoint.
  it('are estimated where counting them takes too long, also within a unit of work that goes on', async () => {
    const { sessions, unitOfWork } = onPostgres(await database.connect(1));
    const elsewhere = onPostgres(dataSource).unitOfWork;
    await elsewhere.run(async () => {
      await elsewhere.manager.query('LOCK TABLE sessions');
      await unitOfWork.run(async () => {
        await unitOfWork.manager.query(`SET LOCAL statement_timeout = '200ms'`);
        expect(await sessions.countBelowGlobal(2)).toBeGreaterThanOrEqual(0);
        expect(await unitOfWork.manager.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
      });
    });
  });

  // Seen red without the lock of the rows in the order of their ids.
  it('end for a user in the order of their ids: no deadlock with whoever ends them in that order, too', async () => {
    const { sessions, unitOfWork } = onPostgres(dataSource);
    const [first, second] = [newSession(), newSession()];
    const { userId } = first;
    await sessions.open({ ...second, userId }); // the table has them the other way round
    await sessions.open(first);

    const tries = { oneByOne: 0, all: 0 };
    const begun = gate();
    const goOn = gate();
    const oneByOne = unitOfWork.run(async () => {
      tries.oneByOne++;
      await sessions.revoke(first.id, 'user_logout');
      begun.open();
      await goOn.opened;
      await sessions.revoke(second.id, 'user_logout');
    });
    await begun.opened;
    const all = unitOfWork.run(async () => {
      tries.all++;
      return sessions.revokeSome({ userId, keepLastUsed: 0 }, 'admin_action', 1000);
    });
    const waits = () =>
      dataSource.query<unknown[]>(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
    while ((await waits()).length === 0);
    goOn.open();
    await oneByOne;
    expect(await all).toEqual([]);
    expect(tries).toEqual({ oneByOne: 1, all: 1 });
  });
});
