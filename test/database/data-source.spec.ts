import { once } from 'node:events';
import { Logger } from '@nestjs/common';
import type { Pool, PoolClient } from 'pg';
import type { DataSource } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver';
import { UserEntity } from '../../src/users/user.entity';
import { until } from '../support/until';
import { administer, type TestDatabase, testDatabase } from '../support/database/test-database';

let database: TestDatabase;
let dataSource: DataSource;

beforeAll(async () => {
  database = await testDatabase();
});
beforeEach(async () => {
  dataSource = await database.connect(1);
});

afterEach(() => database.close());

test('a condition on null or undefined is an error, never a missing condition', async () => {
  const users = dataSource.getRepository(UserEntity);
  await expect(users.findOneBy({ id: undefined! })).rejects.toThrow('undefined');
  await expect(users.findBy({ id: null! })).rejects.toThrow('null');
  await expect(users.update({ id: undefined! }, { isActive: false })).rejects.toThrow('undefined');
  await expect(users.delete({ id: null! })).rejects.toThrow('null');
});

test('every connection has its limits, and a name', async () => {
  const setting = async (name: string) => (await dataSource.query(`SHOW ${name}`))[0][name];
  expect(await setting('statement_timeout')).toBe('5s');
  expect(await setting('idle_in_transaction_session_timeout')).toBe('10s');
  expect(await setting('application_name')).toBe('ratchet');
});

test('a statement that finds no free connection fails instead of waiting for ever', async () => {
  const { options } = (dataSource.driver as PostgresDriver).master as Pool;
  expect(options.connectionTimeoutMillis).toBe(2000);
  options.connectionTimeoutMillis = 100; // the same, sooner
  const busy = dataSource.createQueryRunner();
  await busy.connect();
  await expect(dataSource.query('SELECT 1')).rejects.toThrow('timeout');
  await busy.release();
  await expect(dataSource.query('SELECT 1')).resolves.toHaveLength(1);
});

// Seen red when the connection is only closed: a backend that waits for something does not notice. The pool's was seen red
// when only promises were listened to: it asks its clients with a callback.
test('a statement that has no answer in time is cancelled there, too, of TypeORM or of the pool', async () => {
  const other = await database.connect(2);
  await other.query('CREATE TABLE held ()');
  const holder = other.createQueryRunner();
  await holder.startTransaction();
  await holder.query('LOCK TABLE held');
  const poolOf = ({ driver }: DataSource) => (driver as PostgresDriver).master as Pool;
  const second = await database.connect(1);
  for (const pool of [dataSource, second].map(poolOf)) {
    const client = (await pool.connect()) as PoolClient & { connectionParameters: { query_timeout: number } };
    await client.query('SET statement_timeout = 0'); // or the server would cancel it by itself
    expect(client.connectionParameters.query_timeout).toBe(6000);
    client.connectionParameters.query_timeout = 500; // the same, sooner
    client.release(); // each has this one connection
  }
  const waiting = async () =>
    Number(
      (await other.query(`SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'held'::regclass`))[0].count,
    );
  const text = 'SELECT FROM held';
  const given = Promise.allSettled([dataSource.query(text), poolOf(second).query(text)]);
  await until(async () => (await waiting()) === 2);
  for (const { reason } of (await given) as PromiseRejectedResult[]) {
    expect(reason).toMatchObject({ message: 'Query read timeout' });
  }
  await until(async () => (await waiting()) === 0);
  await holder.rollbackTransaction();
  await holder.release();
});

test('an idle connection that the server ends is replaced', async () => {
  Logger.overrideLogger(false);
  const lost = once((dataSource.driver as PostgresDriver).master as Pool, 'error');
  await administer(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${dataSource.driver.database}'`,
  );
  await lost;
  await expect(dataSource.query('SELECT 1')).resolves.toHaveLength(1);
});

// Seen red with pg's own client: a server that ends under load ended the application with it.
test('a connection that breaks on its way to who asked for it ends no process', async () => {
  const client = await ((dataSource.driver as PostgresDriver).master as Pool).connect();
  expect(() => client.emit('error', new Error('terminating connection'))).not.toThrow();
  client.release(true);
});

// Seen red with a look at the time alone: each statement of the pool met the same server again.
test.each(['25006', '57P01', '57P03'])('a connection that has answered %s is not given back', async (code) => {
  const pid = async () => (await dataSource.query('SELECT pg_backend_pid() AS pid'))[0].pid;
  const before = await pid();
  const refused = `DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '${code}'; END $$`;
  await expect(dataSource.query(refused)).rejects.toThrow('no');
  expect(await pid()).not.toBe(before);
  await expect(dataSource.transaction((manager) => manager.query(refused))).rejects.toThrow();
  await expect(dataSource.query('SELECT 1')).resolves.toHaveLength(1);
});

test('a connection that has answered any other error is', async () => {
  const pid = async () => (await dataSource.query('SELECT pg_backend_pid() AS pid'))[0].pid;
  const before = await pid();
  await expect(dataSource.query('SELECT nonsense')).rejects.toThrow('nonsense');
  expect(await pid()).toBe(before);
});
