import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { ConsoleLogger, type INestApplicationContext, type LogLevel } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { Command } from 'commander';
import { type DataSource, MigrationExecutor } from 'typeorm';
import { type CommandLineConfig, loadCommandLineConfig } from '../config';
import { EMBEDDED_DATA, startEmbeddedPostgres } from '../database/embedded-postgres';
import { Overloaded } from '../index';
import { CommandLineModule } from './command-line.module';
import { openDatabase } from './database';
import { EXIT, Failure } from './failure';
import { messageOf } from '../support/message-of';

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
   * Runs `work` on auth, without a server and without what a server does beside its requests.
   * @throws Failure
   */
  async withAuth<T>(work: (app: INestApplicationContext) => Promise<T>): Promise<T> {
    const config = loadCommandLineConfig();
    return this.withDatabase(config, async (url) => {
      const database = await openDatabase(config, url).catch((error: unknown) => {
        throw new Failure(`The database cannot be used: ${messageOf(error)}`, EXIT.dependency, { cause: error });
      });
      const { dataSource } = database;
      try {
        await demandSchema(dataSource);
        const logger = this.option('verbose') ? new StandardErrorLogger() : false;
        const app = await NestFactory.createApplicationContext(CommandLineModule.on(database, config), {
          logger,
          abortOnError: false,
        });
        try {
          return await this.unlessInterrupted(() => work(app));
        } catch (error) {
          if (error instanceof Failure) throw error;
          if (logger) logger.error(error instanceof Error ? error.stack : error);
          throw new Failure(messageOf(error), await codeOf(error, dataSource), { cause: error });
        } finally {
          await app.close();
        }
      } finally {
        await dataSource.destroy();
      }
    });
  }

  /** Runs `work` on the configured database, or on the embedded one, whose server may be running already. */
  async withDatabase<T>({ database }: CommandLineConfig, work: (url: string) => Promise<T>): Promise<T> {
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

/** Standard output has data alone. */
class StandardErrorLogger extends ConsoleLogger {
  protected override printMessages(messages: unknown[], context?: string, level?: LogLevel): void {
    super.printMessages(messages, context, level, 'stderr');
  }
}

/** A schema of another version is no place to work in. */
async function demandSchema(dataSource: DataSource): Promise<void> {
  const pending = await new MigrationExecutor(dataSource).getPendingMigrations();
  if (pending.length === 0) return;
  throw new Failure(
    `The database lacks ${pending.length} migrations: run \`ratchet migrate\`, or in a host the host's own migrations`,
  );
}

/** Asked of the database rather than of the error: drivers have a dozen ways to say that it is gone. */
async function codeOf(error: unknown, dataSource: DataSource): Promise<number> {
  if (error instanceof Overloaded) return EXIT.dependency;
  return dataSource.query('SELECT 1').then(
    () => EXIT.refused,
    () => EXIT.dependency,
  );
}
