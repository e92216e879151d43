import { DataSource, type MigrationInterface, type QueryRunner } from 'typeorm';
import { POSTGRES_DEFAULTS } from '../src';
import { dataSourceOptions } from '../src/postgres/data-source';
import { runMigrations } from '../src/postgres/migrate';
import type { Section } from './report';
import type { Setting } from './setting';
import { round, whole } from './support/figures';
import { startServer } from './support/server-process';
import { KEYS, ratchet } from './support/servers';
import { seedSessions } from './support/sessions';

const CLIENTS = 16;
const SESSIONS = 10_000;
/** After the reader has left, for the migration to be applied. */
const REST_SECONDS = 5;

/** Requires the strongest lock of the table that every refresh writes to. */
class Widening1900000000000 implements MigrationInterface {
  up = (runner: QueryRunner): Promise<void> =>
    runner.query(`ALTER TABLE ${POSTGRES_DEFAULTS.schema}.sessions ADD COLUMN widened boolean`);
  down = (): Promise<void> => Promise.resolve();
}

/** How long answers take while a reader holds `sessions` for that many seconds, and a migration waits for it. */
export async function migration({ postgres, load, tell }: Setting, heldSeconds: number): Promise<Section> {
  const database = await postgres.create('migration', 'migrated');
  await seedSessions(database.client, SESSIONS);
  const { schema } = POSTGRES_DEFAULTS;
  const dataSource = await new DataSource(
    dataSourceOptions(
      { url: database.url, poolSize: 1, schema },
      { entities: [], migrations: [Widening1900000000000] },
    ),
  ).initialize();
  const server = await startServer(ratchet(postgres.folder, database.url, { AUDIT_PARTITION: 'external' }));
  const job = {
    target: 'migration',
    urls: [server.url],
    workload: { kind: 'refresh', root: KEYS.refreshRoot, sessions: SESSIONS },
    clients: CLIENTS,
  } as const;
  const measured = async (what: string) => {
    tell(what);
    return { what, result: await load.run({ ...job, seconds: heldSeconds + REST_SECONDS }) };
  };

  const alone = await measured('nothing else');
  await database.client.query(`BEGIN; SELECT FROM ${schema}.sessions LIMIT 1`);
  const leaving = new Promise<void>((resolve, reject) => {
    setTimeout(() => void database.client.query('COMMIT').then(() => resolve(), reject), heldSeconds * 1000);
  });
  const [waited, applied] = await Promise.all([
    measured(`a migration waits for a reader of ${heldSeconds} s`),
    runMigrations(dataSource),
    leaving,
  ]);
  await server.stop();
  await dataSource.destroy();
  return {
    name: 'migration',
    command: `npm run bench -- --migration ${heldSeconds}`,
    budget: [
      {
        figure: 'longest answer meanwhile',
        value: waited.result.max,
        must: 2000,
        aim: 1500,
        better: 'lower',
        digits: 0,
        unit: 'ms',
      },
      { figure: 'migrations applied', value: applied.length, must: 1, aim: 1, better: 'equal', digits: 0 },
    ],
    tables: [
      {
        title: `Refreshes of ${CLIENTS} clients`,
        columns: ['meanwhile', 'refresh/s', 'p99 ms', 'longest ms'],
        rows: [alone, waited].map(({ what, result }) => [
          what,
          whole(result.requests / result.seconds),
          round(result.p99, 1),
          round(result.max, 0),
        ]),
      },
    ],
  };
}
