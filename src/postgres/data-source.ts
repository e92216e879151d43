import type { Socket } from 'node:net';
import { Logger } from '@nestjs/common';
import { Client, type ClientConfig } from 'pg';
import type { DataSourceOptions } from 'typeorm';

export interface DatabaseConfig {
  readonly url: string;
  readonly poolSize: number;
  readonly migrateOnStart?: boolean;
  /** Of the application's own entities, and of TypeORM's table of migrations. */
  readonly schema?: string | undefined;
}

/** Lists of classes, never file patterns. */
export type DatabaseSchema = Required<Pick<DataSourceOptions, 'entities' | 'migrations'>>;

/** How the application, its tests and the TypeORM command line talk to PostgreSQL. */
export function dataSourceOptions({ url, poolSize, schema }: DatabaseConfig, tables: DatabaseSchema) {
  return {
    ...tables,
    ...(schema === undefined ? {} : { schema }),
    type: 'postgres',
    url,
    poolSize,
    applicationName: 'ratchet',
    synchronize: false,
    installExtensions: false,
    // TypeORM would print the parameters, digests among them.
    logging: false,
    invalidWhereValuesBehavior: { null: 'throw', undefined: 'throw' },
    /** Also the longest wait for a free connection of the pool. */
    connectTimeoutMS: 2000,
    /** An idle connection that breaks; without a listener the error would end the process. */
    poolErrorHandler: (error: Error) => new Logger('Database').warn(`An idle connection was lost: ${error.message}`),
    extra: {
      Client: ImpatientClient,
      /** What a role or a database has set must not reach us; `options` in the URL replace these. */
      options: '-c datestyle=ISO -c default_transaction_isolation=read\\ committed',
      statement_timeout: 5000,
      /** For a server, or a network, that has gone silent: one that works is done, or has given up, before. */
      query_timeout: 6000,
      idle_in_transaction_session_timeout: 10_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    },
  } as const satisfies DataSourceOptions;
}

/** SQLSTATEs of a server that accepts no changes (a standby, a former primary), or that is shutting down. */
const SPENT = /^(25006|57P0\d)$/;

/** For a server that accepts no connections either. */
const CANCEL_PATIENCE_MS = 2000;

/** What pg's types leave out. */
interface CancelKey {
  readonly processID: number;
  readonly secretKey: number;
  readonly host: string;
  readonly port: number;
}
interface CancelConnection {
  readonly stream: Socket;
  on(event: 'error', listener: () => void): void;
  once(event: 'connect', listener: () => void): void;
  connect(portOrPath: number | string, host?: string): void;
  cancel(processID: number, secretKey: number): void;
}

/**
 * A connection without an answer in time is closed: in the pool, it would make its next user wait for the same answer. So is
 * a connection whose server cannot write: the same address may lead to another server by now.
 */
class ImpatientClient extends Client {
  constructor(config?: string | ClientConfig) {
    super(config);
    // Between the pool and its caller a connection has no listener, and an unhandled error ends the process.
    this.on('error', () => undefined);
  }

  override query(...statement: unknown[]): never {
    const callback = statement.at(-1);
    if (typeof callback === 'function') {
      // As the pool's own `query` asks.
      statement[statement.length - 1] = (error: Error | null | undefined, ...result: unknown[]) => {
        if (error) this.closeAfter(error);
        (callback as (...answer: unknown[]) => void)(error, ...result);
      };
    }
    const answer: unknown = super.query(...(statement as [string]));
    if (answer instanceof Promise) answer.catch((error: unknown) => this.closeAfter(error as Error));
    return answer as never; // a promise or nothing, as the overload says
  }

  private closeAfter({ message, code = '' }: Error & { code?: string }): void {
    if (message === 'Query read timeout') this.cancelOnServer();
    else if (!SPENT.test(code)) return;
    void this.end();
  }

  /**
   * A commit that waits for a synchronous standby does not notice that its client has left: each connection that is given up
   * would leave a busy backend behind, until the server has no room for others.
   */
  private cancelOnServer(): void {
    const { processID, secretKey, host, port } = this as unknown as CancelKey;
    const { connection } = new Client({ host, port }) as unknown as { connection: CancelConnection };
    connection.on('error', () => undefined);
    connection.stream.setTimeout(CANCEL_PATIENCE_MS, () => connection.stream.destroy());
    connection.once('connect', () => connection.cancel(processID, secretKey));
    if (host.startsWith('/')) connection.connect(`${host}/.s.PGSQL.${port}`);
    else connection.connect(port, host);
  }
}
