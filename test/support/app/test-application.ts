import { randomUUID } from 'node:crypto';
import type { INestApplication, LoggerService } from '@nestjs/common';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import { DataSource } from 'typeorm';
import { createApplication } from '../../../src/bootstrap';
import { loadConfig } from '../../../src/config';
import { createLogger } from '../../../src/logging';
import { newAccessTokenKey, newRefreshTokenRoot } from '../../../src/new-keys';
import type { AdapterName } from '../adapters';
import { testDatabase, type TestDatabase } from '../database/test-database';
import { atPort } from '../network/database-proxy';
import { EVENTS } from './events';

export interface TestApplicationOptions {
  readonly adapter?: AdapterName;
  /** Settings by their names in the environment. Limits are off, refusals tell their reasons, the log is silent. */
  readonly env?: Readonly<Record<string, string>>;
  /** Puts other providers in: `(module) => module.overrideProvider(Clock).useValue(…)`. */
  readonly overrides?: (module: TestingModuleBuilder) => TestingModuleBuilder;
  /** By default this worker's, emptied: one application at a time. Two instances share one, and its owner closes it. */
  readonly database?: TestDatabase;
}

export interface Account {
  readonly email: string;
  readonly password: string;
}

/** Whatever it turns out to be. */
export type Json = ReturnType<typeof JSON.parse>;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The parsed JSON; the text of anything else; undefined for nothing. */
  readonly body: Json;
}

export interface RequestOptions {
  readonly body?: unknown;
  /** An access token. */
  readonly bearer?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The administrator whom every test application opens. */
export const ADMIN: Account = { email: 'admin@example.com', password: 'a long admin passphrase' };

const SETTINGS = {
  NODE_ENV: 'test',
  HOST: '127.0.0.1',
  PORT: '0',
  BCRYPT_COST: '4',
  LOG_LEVEL: 'silent',
  LIMIT_LOGIN_PER_ACCOUNT: '0',
  LIMIT_LOGIN_ANYWHERE: '0',
  LIMIT_LOGIN_PER_IP: '0',
  LIMIT_REFRESH_PER_SESSION: '0',
  LIMIT_REFRESH_PER_USER: '0',
  LIMIT_INVALID_PER_IP: '0',
  LIMIT_LOGOUT_PER_SESSION: '0',
  LIMIT_LOGOUT_PER_IP: '0',
  LIMIT_REGISTER_PER_IP: '0',
  LIMIT_LIST_PER_USER: '0',
  SWAGGER_ENABLED: 'false',
  MIGRATE_ON_START: 'false',
  BOOTSTRAP_ADMIN_EMAIL: ADMIN.email,
  BOOTSTRAP_ADMIN_PASSWORD: ADMIN.password,
  ACCESS_TOKEN_KEYS: `test:${newAccessTokenKey('HS256')}`,
  REFRESH_TOKEN_KEYS: `0:${newRefreshTokenRoot()}`,
};

/** Through the pooler of `npm run test:pooler`, with the settings of docs/operations.md. */
const addressOf = ({ url }: TestDatabase): Record<string, string> =>
  process.env.TEST_POOLER
    ? {
        DATABASE_URL: atPort(url, Number(process.env.TEST_POOLER)),
        DATABASE_LISTEN_URL: url,
        DATABASE_PREPARED_STATEMENTS: 'false',
      }
    : { DATABASE_URL: url };

/** Boots the whole application on a database of its own and a free port. */
export async function startTestApplication(options: TestApplicationOptions = {}): Promise<TestApplication> {
  const { adapter = 'fastify', env = {}, overrides = (module) => module, database = await testDatabase() } = options;
  const config = loadConfig({ ...SETTINGS, ...addressOf(database), ...env });
  const log: Record<string, unknown>[] = [];
  const { app, close } = await createApplication(config, {
    adapter,
    logger: createLogger(config.logLevel, { write: (line) => void log.push(JSON.parse(line)) }),
    create: async (module, httpAdapter, nestOptions) => {
      const builder = Test.createTestingModule({ imports: [module] }).setLogger(nestOptions.logger as LoggerService);
      return (await overrides(builder).compile()).createNestApplication(httpAdapter, nestOptions);
    },
  });
  try {
    await app.listen(config.http.port, config.http.host);
  } catch (error) {
    await close();
    throw error;
  }
  return new TestApplication(app, await app.getUrl(), log, async () => {
    await close();
    if (options.database === undefined) await database.close();
  });
}

export class TestApplication {
  constructor(
    readonly app: INestApplication,
    readonly url: string,
    /** What the application has logged, parsed; `LOG_LEVEL` decides what is there. */
    readonly log: readonly Record<string, unknown>[],
    readonly close: () => Promise<void>,
  ) {}

  async request(method: string, path: string, { body, bearer, headers = {} }: RequestOptions = {}): Promise<Answer> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...(bearer !== undefined && { Authorization: `Bearer ${bearer}` }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = /[/+]json/.test(response.headers.get('Content-Type') ?? '');
    return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text || undefined };
  }

  get(path: string, bearer?: string): Promise<Answer> {
    return this.request('GET', path, bearer === undefined ? {} : { bearer });
  }

  post(path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.request('POST', path, { body, headers });
  }

  /** A new account, and its id. */
  async register(account: Partial<Account> = {}): Promise<Account & { id: string }> {
    const { email = `${randomUUID()}@example.com`, password = 'a long enough passphrase' } = account;
    const { status, body } = await this.post('/auth/register', { email, password });
    if (status !== 201) throw new Error(`Registration was answered ${status}: ${JSON.stringify(body)}`);
    return { email, password, id: body.id };
  }

  /** The answer of a login; a new account's without an argument. */
  async logIn(account?: Account, device: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const { email, password } = account ?? (await this.register());
    return this.post('/auth/login', { email, password, ...device });
  }

  refresh(refreshToken: string, retryKey?: string): Promise<Answer> {
    return this.post('/auth/refresh', { refreshToken }, retryKey === undefined ? {} : { 'Idempotency-Key': retryKey });
  }

  /** Rows of a statement on the application's own pool. */
  query<T = Json>(sql: string, parameters: unknown[] = []): Promise<T[]> {
    return this.app.get(DataSource).query(sql, parameters);
  }

  /** The audit trail of a session, a user or an attempt, oldest first. */
  events(of: { sessionId?: string; userId?: string; attemptId?: string } = {}): Promise<Json[]> {
    return this.query(
      `SELECT * FROM ${EVENTS}
       WHERE ($1::uuid IS NULL OR session_id = $1) AND ($2::text IS NULL OR user_id = $2) AND ($3::uuid IS NULL OR attempt_id = $3)
       ORDER BY occurred_at, id`,
      [of.sessionId, of.userId, of.attemptId],
    );
  }
}
