import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { Command } from 'commander';
import { DataSource, MigrationExecutor } from 'typeorm';
import { AppModule, schema } from '../app.module';
import { type Config, loadConfig } from '../config';
import { dataSourceOptions } from '../database/data-source';
import { EMBEDDED_DATA, startEmbeddedPostgres } from '../database/embedded-postgres';
import { Overloaded } from '../index';
import { createLogger, NestLogger } from '../logging';
import { EXIT, Failure, messageOf } from './failure';

/** What all commands share: how they print, how they get at the application, and how they are interrupted. */
export class Shell {
  private readonly interruption = new AbortController();

  constructor(private readonly program: Command) {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      // Once: a second one ends the process in its own way.
      process.once(signal, () => this.interrupt(128 + constants.signals[signal]));
    }
    // A reader that has seen enough, as `head` has.
    process.stdout.on('error', () => this.interrupt(128 + constants.signals.SIGPIPE));
  }

  get json(): boolean {
    return this.option('json');
  }

  /** `data` where JSON is asked for, else `text`. */
  print(data: unknown, text: string): void {
    process.stdout.write(`${this.json ? JSON.stringify(data, null, 2) : text}\n`);
  }

  /** Waits for `work`, but not beyond a signal; after one it is not begun. */
  async unlessInterrupted<T>(work: () => Promise<T>): Promise<T> {
    const { signal } = this.interruption;
    signal.throwIfAborted();
    return Promise.race([
      work(),
      new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Failure))),
    ]);
  }

  /**
   * Runs `work` on the whole application, without a server and without what a server does beside its requests.
   * @throws Failure
   */
  async withApplication<T>(work: (app: INestApplicationContext) => Promise<T>): Promise<T> {
    const config = loadConfig();
    return this.withDatabase(config, async (url) => {
      await demandSchema(config, url);
      const logger = createLogger(this.option('verbose') ? config.logLevel : 'silent', {
        write: (line) => void process.stderr.write(line),
      });
      const app = await NestFactory.createApplicationContext(AppModule.forRoot(ofOneCommand(config), url, logger), {
        logger: this.option('verbose') ? new NestLogger(logger) : false,
        abortOnError: false,
      });
      try {
        return await this.unlessInterrupted(() => work(app));
      } catch (error) {
        if (error instanceof Failure) throw error;
        logger.error({ err: error }, 'The command failed');
        throw new Failure(messageOf(error), await codeOf(error, app.get(DataSource)), { cause: error });
      } finally {
        await app.close();
      }
    });
  }

  /** Runs `work` on the configured database, or on the embedded one, whose server may be running already. */
  async withDatabase<T>({ database }: Config, work: (url: string) => Promise<T>): Promise<T> {
    if (database.url !== null) return work(database.url);
    if (!existsSync(join(EMBEDDED_DATA, 'PG_VERSION'))) {
      throw new Failure(
        `There is no database in ${EMBEDDED_DATA}: npm run up creates it, or set DATABASE_URL`,
        EXIT.dependency,
      );
    }
    const server = await startEmbeddedPostgres({ dataDir: EMBEDDED_DATA }).catch((error: unknown) => {
      throw new Failure(messageOf(error), EXIT.dependency, { cause: error });
    });
    try {
      return await work(server.url);
    } finally {
      await server.stop();
    }
  }

  private option(name: 'json' | 'verbose'): boolean {
    return this.program.opts<Record<string, true | undefined>>()[name] === true;
  }

  private interrupt(exitCode: number): void {
    this.interruption.abort(new Failure('Interrupted', exitCode));
  }
}

/** No clean-up, no guard, no metrics server, no accounts, no Redis (it limits requests, and there are none), and nobody else's migrations. */
const ofOneCommand = (config: Config): Config => ({
  ...config,
  database: { ...config.database, migrateOnStart: false },
  auth: { ...config.auth, cleanUpIntervalSeconds: 0, redis: null, watchRevocations: false },
  users: { ...config.users, bootstrapAdmin: null, demoAccounts: false },
  metricsPort: null,
});

/** One connection, for a look at the database before anything relies on it. */
export const lookInto = (config: Config, url: string): DataSource =>
  new DataSource(dataSourceOptions({ ...config.database, url, poolSize: 1 }, schema));

/** Before the application: that would try again for half a minute, and a schema of another version is no place to work in. */
async function demandSchema(config: Config, url: string): Promise<void> {
  const dataSource = await lookInto(config, url)
    .initialize()
    .catch((error: unknown) => {
      throw new Failure(`The database cannot be used: ${messageOf(error)}`, EXIT.dependency, { cause: error });
    });
  try {
    const pending = await new MigrationExecutor(dataSource).getPendingMigrations();
    if (pending.length === 0) return;
    throw new Failure(`The database lacks ${pending.length} migrations: start the application, which runs them`);
  } finally {
    await dataSource.destroy();
  }
}

/** Asked of the database rather than of the error: drivers have a dozen ways to say that it is gone. */
async function codeOf(error: unknown, dataSource: DataSource): Promise<number> {
  if (error instanceof Overloaded) return EXIT.dependency;
  return dataSource.query('SELECT 1').then(
    () => EXIT.refused,
    () => EXIT.dependency,
  );
}
