import { Injectable, Logger, Module, type OnApplicationShutdown } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { DataSource, type MigrationInterface, type QueryRunner } from 'typeorm';
import { databaseModule } from '../../src/database/database.module';
import { freshDatabase, SCHEMA, tablesIn, type TestDatabase } from '../support/database/test-database';

const { entities, migrations: own } = tablesIn(SCHEMA);
let database: TestDatabase;

beforeEach(async () => {
  database = await freshDatabase();
});

afterEach(() => database.close());

@Injectable()
class Writer implements OnApplicationShutdown {
  lastWords: unknown;

  constructor(private readonly dataSource: DataSource) {}

  async onApplicationShutdown(): Promise<void> {
    this.lastWords = await this.dataSource.query("SELECT 'flushed' AS state");
  }
}

@Module({ providers: [Writer] })
class WritingModule {}

class Broken1999999999999 implements MigrationInterface {
  static runs = 0;
  up = (runner: QueryRunner): Promise<void> => {
    Broken1999999999999.runs++;
    return runner.query('SELECT broken');
  };
  down = (): Promise<void> => Promise.resolve();
}

function application(migrateOnStart: boolean, migrations: (new () => MigrationInterface)[]) {
  const config = { url: database.url, poolSize: 2, migrateOnStart, schema: SCHEMA };
  const imports = [databaseModule(config, { entities, migrations }), WritingModule];
  return Test.createTestingModule({ imports }).compile();
}

test('the pool outlives the last hook of every module that uses it', async () => {
  const app = await application(true, own);
  const writer = app.get(Writer, { strict: false });
  await app.close();
  expect(writer.lastWords).toEqual([{ state: 'flushed' }]);
  expect(app.get(DataSource).isInitialized).toBe(false);
});

test('a migration that fails stops the start at the first try', async () => {
  Logger.overrideLogger(false);
  await expect(application(true, [...own, Broken1999999999999])).rejects.toThrow('column "broken"');
  expect(Broken1999999999999.runs).toBe(1);
});

test('migrations are left alone unless the start is to run them', async () => {
  const app = await application(false, [...own, Broken1999999999999]);
  expect(await app.get(DataSource).showMigrations()).toBe(true);
  await app.close();
});
