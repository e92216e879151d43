import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { ADMIN } from '../support/app/test-application';

const ROOT = resolve(__dirname, '../..');
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
  LIMIT_LOGIN_PER_IP: '0',
  LIMIT_REGISTER_PER_IP: '0',
  LIMIT_REFRESH_PER_SESSION: '0',
  BOOTSTRAP_ADMIN_EMAIL: ADMIN.email,
  BOOTSTRAP_ADMIN_PASSWORD: ADMIN.password,
  ACCESS_TOKEN_KEYS: `test:${randomBytes(32).toString('base64')}`,
  REFRESH_TOKEN_KEYS: `0:${randomBytes(32).toString('base64')}`,
};

/** The built application in a process of its own, which may be killed and started again. */
export class Instance {
  /** Where it listens; null while it does not. */
  url: string | null = null;
  log = '';
  /** Answers since its start. */
  answered = 0;
  private child: ChildProcess | null = null;
  private exited: Promise<number | null> = Promise.resolve(null);

  constructor(
    private readonly folder: string,
    private readonly databaseUrl: string,
  ) {}

  /** Resolves once it listens. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, [join(ROOT, 'dist/main.js')], {
      cwd: this.folder,
      env: { PATH: process.env['PATH'], ...SETTINGS, DATABASE_URL: this.databaseUrl },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    this.exited = once(child, 'close').then(([code]) => code as number | null);
    let said = '';
    child.stderr.on('data', (bytes: Buffer) => (this.log += bytes.toString()));
    const listening = new Promise<string>((found) => {
      child.stdout.on('data', (bytes: Buffer) => {
        this.log += bytes.toString();
        if (said.length > 10_000) return;
        said += bytes.toString();
        const url = /Ratchet is running on (\S+)/.exec(said)?.[1];
        if (url !== undefined) found(url);
      });
    });
    const url = await Promise.race([listening, this.exited.then(() => null)]);
    if (url === null) throw new Error(`It ended before it listened: ${this.log.slice(-2000)}`);
    this.answered = 0;
    this.url = url;
  }

  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  /** Sends the signal and waits for the end; the exit code, null after a death by signal. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.url = null;
    this.signal(signal);
    return this.exited;
  }
}
