import { DataSource, type DataSourceOptions } from 'typeorm';
import type { PostgresDataSourceOptions } from 'typeorm/driver/postgres/PostgresDataSourceOptions';
import { newSession, onPostgres } from '../ports/adapters';
import { freshDatabase, testDatabase, type TestDatabase } from '../support/database/test-database';
import { gate } from '../support/gate';

describe('a unit of work on PostgreSQL', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let ports: ReturnType<typeof onPostgres>;

  beforeAll(async () => {
    database = await testDatabase();
    dataSource = await database.connect();
    ports = onPostgres(dataSource);
  });
  afterAll(() => database.close());

  const fail = (sqlState: string) =>
    ports.unitOfWork.manager.query(`DO $$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '${sqlState}'; END $$`);

  /** Runs a unit of work that fails on its first `failures` tries. Answers which session each try opened. */
  async function tries(sqlState: string, failures: number): Promise<{ opened: string[]; outcome: Promise<unknown> }> {
    const opened: string[] = [];
    const outcome = ports.unitOfWork.run(async () => {
      const session = await ports.sessions.open(newSession());
      opened.push(session.id);
      if (opened.length <= failures) await ports.unitOfWork.run(() => fail(sqlState));
    });
    await outcome.catch(() => undefined);
    return { opened, outcome };
  }

  // Seen red without the retry.
  it.each(['40001', '40P01'])('runs all of its work again after %s, and keeps the last try alone', async (sqlState) => {
    const { opened, outcome } = await tries(sqlState, 2);
    await outcome;
    const kept = await Promise.all(opened.map((id) => ports.sessions.findById(id)));
    expect(kept).toEqual([null, null, expect.objectContaining({ id: opened[2] })]);
  });

  // Seen red with one list of effects for all tries.
  it('has the effects of the last try alone', async () => {
    const effects: number[] = [];
    let tried = 0;
    await ports.unitOfWork.run(async () => {
      const now = ++tried;
      ports.unitOfWork.afterCommit(() => effects.push(now));
      if (tried < 3) await fail('40001');
    });
    expect(effects).toEqual([3]);
  });

  it('gives up after three tries', async () => {
    const { opened, outcome } = await tries('40001', 3);
    await expect(outcome).rejects.toThrow('planted');
    expect(opened).toHaveLength(3);
  });

  it.each(['23505', '57014', 'P0001'])('does not run again after %s', async (sqlState) => {
    const { opened, outcome } = await tries(sqlState, 1);
    await expect(outcome).rejects.toThrow('planted');
    expect(opened).toHaveLength(1);
  });

  it('survives a real deadlock: both units of work do all of theirs', async () => {
    const ends = [await ports.sessions.open(newSession()), await ports.sessions.open(newSession())];
    const [first, second] = ends.map(({ id }) => id) as [string, string];
    const atFirst = gate();
    const atSecond = gate();
    const crossing = (ids: [string, string], here: () => void, there: Promise<void>) =>
      ports.unitOfWork.run(async () => {
        const revoked = [await ports.sessions.revoke(ids[0], 'admin_action')];
        here();
        await there;
        revoked.push(await ports.sessions.revoke(ids[1], 'admin_action'));
        return revoked;
      });
    const outcomes = await Promise.all([
      crossing([first, second], atFirst.open, atSecond.opened),
      crossing([second, first], atSecond.open, atFirst.opened),
    ]);
    expect(outcomes.flat().sort()).toEqual([false, false, true, true]);
    for (const id of [first, second]) {
      expect((await ports.sessions.findForRefresh(id))?.session.revokedReason).toBe('admin_action');
    }
  });

  // Seen red with TypeORM's own beginning of a transaction.
  it('reads committed rows and writes, whatever the host has set', async () => {
    const options: DataSourceOptions = {
      ...(dataSource.options as PostgresDataSourceOptions),
      poolSize: 1,
      isolationLevel: 'SERIALIZABLE',
      extra: { options: '-c default_transaction_isolation=serializable -c default_transaction_read_only=on' },
    };
    const host = await new DataSource(options).initialize();
    try {
      const { unitOfWork, sessions } = onPostgres(host);
      await unitOfWork.run(async () => {
        const setting = async (name: string) => Object.values((await unitOfWork.manager.query(`SHOW ${name}`))[0])[0];
        expect([await setting('transaction_isolation'), await setting('transaction_read_only')]).toEqual([
          'read committed',
          'off',
        ]);
        await sessions.open(newSession());
        // A transaction within it is a savepoint.
        expect(await sessions.countBelowGlobal(2)).toBeGreaterThan(0);
      });
      await expect(unitOfWork.manager.query('CREATE TABLE outside ()')).rejects.toThrow('read-only');
    } finally {
      await host.destroy();
    }
  });

  // Seen red with the host's own manager: what was revoked was still there.
  it('asks the primary, and no cache of results, in a transaction and outside of one', async () => {
    const replica = await freshDatabase();
    const { url: _, ...rest } = dataSource.options as PostgresDataSourceOptions;
    const options: DataSourceOptions = {
      ...rest,
      replication: { master: { url: database.url }, slaves: [{ url: replica.url }] },
      cache: { type: 'database', alwaysEnabled: true, tableName: 'cached_results', duration: 60_000 },
    };
    const host = new DataSource(options);
    await host.initialize();
    try {
      await host.query(
        'CREATE TABLE ratchet.cached_results (id serial, identifier varchar, time bigint, duration int, query text, result text)',
      );
      const { unitOfWork, sessions } = onPostgres(host);
      const { id, userId } = await sessions.open(newSession());
      for (const run of [<T>(work: () => Promise<T>) => work(), <T>(work: () => Promise<T>) => unitOfWork.run(work)]) {
        const live = () =>
          run(async () => (await sessions.findLiveOfUser(userId, 10)).items.map((session) => session.id));
        await host.query('UPDATE ratchet.sessions SET revoked_at = NULL, revoked_reason = NULL WHERE id = $1', [id]);
        expect(await live()).toEqual([id]);
        await host.query(
          `UPDATE ratchet.sessions SET revoked_at = now(), revoked_reason = 'admin_action' WHERE id = $1`,
          [id],
        );
        expect(await live()).toEqual([]);
      }
    } finally {
      await host.destroy();
      await replica.close();
    }
  });

  // Seen red with a context that the first one to end switches off.
  it('goes on when another one ends meanwhile, whichever began first', async () => {
    const [begun, goOn] = [gate(), gate()];
    const opened: string[] = [];
    const longer = ports.unitOfWork.run(async () => {
      begun.open();
      await goOn.opened;
      opened.push((await ports.sessions.open(newSession())).id);
      throw new Error('undone');
    });
    await begun.opened;
    await ports.unitOfWork.run(() => ports.sessions.open(newSession()));
    goOn.open();
    await expect(longer).rejects.toThrow('undone');
    expect(await Promise.all(opened.map((id) => ports.sessions.findById(id)))).toEqual([null]);
  });

  it('is left behind at its end: what follows is outside of it', async () => {
    const { manager } = ports.unitOfWork;
    expect(ports.unitOfWork.manager).toBe(manager);
    await ports.unitOfWork.run(async () => expect(ports.unitOfWork.manager).not.toBe(manager));
    expect(ports.unitOfWork.manager).toBe(manager);
  });
});
