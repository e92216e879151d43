import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { standbysOf } from '../../src';
import { dataSourceOptions } from '../../src/postgres/data-source';
import { ownServer } from '../propagation/own-server';
import { until } from '../support/until';

let server: Awaited<ReturnType<typeof ownServer>>;
beforeAll(async () => {
  server = await ownServer();
}, 60_000);
afterAll(() => server.remove());

const connect = async (url = server.url()): Promise<DataSource> =>
  new DataSource(dataSourceOptions({ url, poolSize: 1 }, { entities: [], migrations: [] })).initialize();

/** What a standby sends once it has written everything up to `at`. */
function confirmation(at: bigint): Buffer {
  const message = Buffer.alloc(39);
  message.write('d', 0);
  message.writeInt32BE(38, 1);
  message.write('r', 5);
  for (const place of [6, 14, 22]) message.writeBigUInt64BE(at, place);
  return message;
}

/** A connection that follows the server as a standby does, and says once that it has got everything. */
async function follow(): Promise<Client> {
  const client = new Client({ connectionString: server.url(), replication: 'true' } as object);
  client.on('error', () => undefined);
  await client.connect();
  const { rows } = await client.query<{ xlogpos: string }>('IDENTIFY_SYSTEM');
  const [high = '0', low = '0'] = rows[0]!.xlogpos.split('/');
  client.query(`START_REPLICATION PHYSICAL ${high}/${low}`).catch(() => undefined);
  const { stream } = (client as unknown as { connection: { stream: NodeJS.WritableStream } }).connection;
  stream.write(confirmation((BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`)));
  return client;
}

it('standbys are counted by whether a commit waits for them, and unknown to a role that may not see them', async () => {
  const dataSource = await connect();
  expect(await standbysOf(dataSource)).toEqual({ synchronous: 0, asynchronous: 0 });

  await dataSource.query("CREATE ROLE nobody LOGIN PASSWORD 'nobody'");
  const as = new URL(server.url());
  [as.username, as.password] = ['nobody', 'nobody'];
  const nobody = await connect(as.href);
  expect(await standbysOf(nobody)).toEqual({ synchronous: 0, asynchronous: 0 });

  const one = await follow();
  await until(async () => (await standbysOf(dataSource))?.asynchronous === 1);
  expect(await standbysOf(nobody)).toBeNull();
  await one.end();
  await until(async () => (await standbysOf(dataSource))?.asynchronous === 0);

  await dataSource.query("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (a, b)'");
  await dataSource.query('SELECT pg_reload_conf()');
  const other = await follow();
  await until(async () => (await standbysOf(dataSource))?.asynchronous === 1);
  await dataSource.query("ALTER SYSTEM SET synchronous_standby_names = '*'");
  await dataSource.query('SELECT pg_reload_conf()');
  await until(async () => (await standbysOf(dataSource))?.synchronous === 1);
  expect(await standbysOf(dataSource)).toEqual({ synchronous: 1, asynchronous: 0 });
  await dataSource.query('SET synchronous_commit = local');
  expect(await standbysOf(dataSource)).toEqual({ synchronous: 0, asynchronous: 1 });

  await dataSource.query('ALTER SYSTEM RESET synchronous_standby_names');
  await dataSource.query('SELECT pg_reload_conf()');
  await other.end();
  await dataSource.destroy();
  await nobody.destroy();
}, 60_000);
