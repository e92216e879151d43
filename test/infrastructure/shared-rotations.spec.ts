import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import type { NextToken, RefreshRecord, Session } from '../../src';
import { newSession, nextToken, onPostgres, refreshRecord } from '../ports/adapters';
import { sentDuring } from '../support/database/sent';
import { gate } from '../support/gate';
import { testDatabase, type TestDatabase } from '../support/database/test-database';

/** A rotation that is ready to be written. */
interface Rotation {
  readonly session: Session;
  readonly next: NextToken;
  readonly record: RefreshRecord;
}

describe('rotations that share their write', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let ports: ReturnType<typeof onPostgres>;
  beforeAll(async () => {
    database = await testDatabase();
    dataSource = await database.connect(10);
    ports = onPostgres(dataSource);
  });
  afterAll(() => database.close());

  const rotationOf = (session: Session): Rotation => ({
    session,
    next: nextToken(session),
    record: refreshRecord(session),
  });
  const open = (): Promise<Session> => ports.sessions.open(newSession());
  const openMany = async (count: number): Promise<Rotation[]> =>
    (await Promise.all(Array.from({ length: count }, open)))
      .toSorted((one, other) => (one.id < other.id ? -1 : 1))
      .map(rotationOf);
  const rotate = ({ session, next, record }: Rotation, of = ports) => of.sessions.rotate(session, next, record);
  const rowOf = async ({ session: { id } }: Rotation) =>
    (await dataSource.query<Record<string, unknown>[]>('SELECT * FROM sessions WHERE id = $1', [id]))[0]!;
  const recordsOf = ({ session: { id } }: Rotation) =>
    dataSource.query<Record<string, unknown>[]>('SELECT * FROM auth_events WHERE session_id = $1', [id]);

  // Seen red with a value too few in the shared statement.
  it('leave the same row and the same record as one that is written alone', async () => {
    const [alone, ...together] = (await openMany(9)) as [Rotation, ...Rotation[]];
    expect(await rotate(alone)).toBe(true);
    const sent = await sentDuring(async () => {
      expect(await Promise.all(together.map((one) => rotate(one)))).toEqual(Array(8).fill(true));
    });
    expect(sent.map(({ name }) => name)).toEqual([expect.stringContaining('rotate_together')]);
    const plain = async (one: Rotation) => {
      const [record, ...more] = await recordsOf(one);
      expect(more).toEqual([]);
      const { next, session } = one;
      expect(await rowOf(one)).toMatchObject({
        generation: 1,
        token_hash: next.tokenHash,
        previous_token_hash: session.tokenHash,
        successor_nonce: next.successorNonce,
        key_id: next.keyId,
        expires_at: next.expiresAt,
        last_user_agent: next.userAgent,
        last_ip_address: next.ipAddress,
      });
      const [, { context }] = one.record;
      expect(record).toMatchObject({ id: context.eventId, attempt_id: context.attemptId, user_id: session.userId });
      return Object.entries({ ...(await rowOf(one)), ...record, id: null })
        .filter(([name]) => !/_at$|hash|nonce|_id$/.test(name))
        .sort();
    };
    const expected = await plain(alone);
    for (const one of together) expect(await plain(one)).toEqual(expected);
  });

  // Seen red with records from the rows that were locked, and without each condition.
  it('change nothing, and record nothing, of those whose token is no longer the live one', async () => {
    const batch = await openMany(7);
    const changes: [string, unknown[]?][] = [
      ['generation = generation + 1'],
      [`token_hash = decode(repeat('00', 32), 'hex')`],
      [`revoked_at = now(), revoked_reason = 'user_logout'`],
      ['expires_at = now()'],
    ];
    for (const [place, [change]] of changes.entries())
      await dataSource.query(`UPDATE sessions SET ${change} WHERE id = $1`, [batch[place * 2]!.session.id]);
    await dataSource.query('DELETE FROM sessions WHERE id = $1', [batch[1]!.session.id]);

    const rotated = await Promise.all(batch.map((one) => rotate(one)));
    expect(rotated).toEqual([false, false, false, true, false, true, false]);
    const records = await Promise.all(batch.map(recordsOf));
    expect(records.map(({ length }) => length)).toEqual([0, 0, 0, 1, 0, 1, 0]);
  });

  // Seen red with a read of the floor in the statement.
  it('are stamped with the floors that the decision read, whatever has been raised since', async () => {
    const batch = await openMany(4);
    for (const { session } of batch) await ports.policies.raiseUserFloor(session.userId, 'a test', null);
    await Promise.all(batch.map((one) => rotate(one)));
    for (const one of batch) expect(await rowOf(one)).toMatchObject({ generation: 1, token_version: 1 });
  });

  // Seen red with the second one in the same batch, and with one that joins the next batch and answers that it rotated.
  it('rotate a session once, of two that present the same token: one change, one record', async () => {
    const batch = await openMany(3);
    const again = batch.map(({ session }) => rotationOf(session));
    const answers = await Promise.all([...batch, ...again].map((one) => rotate(one)));
    for (const [place, one] of batch.entries()) {
      expect([answers[place], answers[place + 3]].toSorted()).toEqual([false, true]);
      expect(await rowOf(one)).toMatchObject({ generation: 1 });
      expect(await recordsOf(one)).toHaveLength(1);
    }
  });

  // Seen red with one failure for all, and with a fallback whose failure counts as a rotation.
  it('fail alone, where one record cannot be stored', async () => {
    const batch = await openMany(8);
    const [stored] = await openMany(1);
    await rotate(stored!);
    const taken = { ...batch[3]!, record: stored!.record };
    const answers = await Promise.allSettled(batch.map((one, place) => rotate(place === 3 ? taken : one)));
    expect(answers.map(({ status }) => status)).toEqual(
      batch.map((_, place) => (place === 3 ? 'rejected' : 'fulfilled')),
    );
    for (const [place, one] of batch.entries())
      expect(await rowOf(one)).toMatchObject({ generation: place === 3 ? 0 : 1 });
  });

  // Seen red without SKIP LOCKED, and with a batch that waits for the one that it passed over.
  it('wait for nobody: a row that somebody holds delays its own rotation alone', async () => {
    const batch = await openMany(8);
    const [held, ...others] = batch as [Rotation, ...Rotation[]];
    const elsewhere = onPostgres(await database.connect(1));
    const [holds, letGo] = [gate(), gate()];
    const holder = elsewhere.unitOfWork.run(async () => {
      await elsewhere.unitOfWork.manager.query('SELECT FROM sessions WHERE id = $1 FOR UPDATE', [held.session.id]);
      holds.open();
      await letGo.opened;
    });
    await holds.opened;
    const done: Rotation[] = [];
    const all = Promise.all(
      batch.map(async (one) => {
        expect(await rotate(one)).toBe(true);
        done.push(one);
      }),
    );
    // The held one has gone its own way, and waits there.
    while ((await waiting()) === 0);
    await nextTurn();
    expect(done).toEqual(others);
    letGo.open();
    await Promise.all([holder, all]);
    expect(done.at(-1)).toBe(held);
  });

  // Seen red with an outcome that is decided anew: a rotation that was committed would be met again, as a reuse.
  it('all fail with their connection, and none is tried again', async () => {
    const batch = await openMany(8);
    const elsewhere = onPostgres(await database.connect(2));
    const [holds, letGo] = [gate(), gate()];
    const holder = elsewhere.unitOfWork.run(async () => {
      await elsewhere.unitOfWork.manager.query('LOCK TABLE auth_events IN SHARE MODE');
      holds.open();
      await letGo.opened;
    });
    await holds.opened;
    const all = Promise.allSettled(batch.map((one) => rotate(one)));
    while ((await waiting()) === 0);
    await dataSource.query(`SELECT pg_terminate_backend(pid) ${WAITING}`);
    // The table is locked still: what is tried again waits for it, and fails for that.
    const outcomes = await all;
    letGo.open();
    await holder;
    const lost = expect.objectContaining({ message: expect.stringMatching(/terminat/) });
    expect(outcomes).toEqual(batch.map(() => ({ status: 'rejected', reason: lost })));
    for (const one of batch) expect(await rowOf(one)).toMatchObject({ generation: 0 });
  });

  const WAITING = `FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  const waiting = async () => (await dataSource.query<unknown[]>(`SELECT ${WAITING}`)).length;
});
