import { randomBytes } from 'node:crypto';
import { newAccessTokenKey } from '../../src/new-keys';
import { spawnApplication } from '../support/app/child-application';
import { ADMIN } from '../support/app/test-application';

const SETTINGS = {
  NODE_ENV: 'test',
  HOST: '127.0.0.1',
  PORT: '0',
  BCRYPT_COST: '4',
  LOG_LEVEL: 'info',
  SWAGGER_ENABLED: 'false',
  MIGRATE_ON_START: 'false',
  DATABASE_POOL_SIZE: '4',
  CLEANUP_INTERVAL: '0',
  LIMIT_LOGIN_PER_ACCOUNT: '0',
  LIMIT_LOGIN_ANYWHERE: '0',
  LIMIT_LOGIN_PER_IP: '0',
  LIMIT_REGISTER_PER_IP: '0',
  LIMIT_REFRESH_PER_SESSION: '0',
  LIMIT_REFRESH_PER_USER: '0',
  LIMIT_LOGOUT_PER_SESSION: '0',
  LIMIT_LOGOUT_PER_IP: '0',
  BOOTSTRAP_ADMIN_EMAIL: ADMIN.email,
  BOOTSTRAP_ADMIN_PASSWORD: ADMIN.password,
  ACCESS_TOKEN_KEYS: `test:${newAccessTokenKey('HS256')}`,
  REFRESH_TOKEN_KEYS: `0:${randomBytes(32).toString('base64')}`,
};

/** The built application in a process of its own, which may be killed and started again. */
export class Instance {
  /** Where it listens; null while it does not. */
  url: string | null = null;
  /** Requests since its start that it has not put off. */
  answered = 0;
  private readonly lives: ReturnType<typeof spawnApplication>[] = [];

  constructor(
    private readonly folder: string,
    private readonly databaseUrl: string,
  ) {}

  /** What it has written in all its lives. */
  get log(): string {
    return this.lives.map(({ output }) => output.stdout + output.stderr).join('');
  }

  /** Resolves once it listens. */
  async start(): Promise<void> {
    const life = spawnApplication(this.folder, { ...SETTINGS, DATABASE_URL: this.databaseUrl }, 'build');
    this.lives.push(life);
    const url = await life.listening();
    this.answered = 0;
    this.url = url;
  }

  /** @throws when it has ended by itself */
  isAlive(): boolean {
    const child = this.lives.at(-1)?.child;
    if (child?.exitCode === null && child.signalCode === null) return true;
    throw new Error(`It ended by itself: ${this.log.slice(-3000)}`);
  }

  signal(signal: NodeJS.Signals): void {
    this.lives.at(-1)?.child.kill(signal);
  }

  /** Sends the signal and waits for the end; the exit code, null after a death by signal. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.url = null;
    this.signal(signal);
    return (await this.lives.at(-1)?.exited) ?? null;
  }
}
