import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServerCommand } from './server-process';

const ROOT = join(__dirname, '..', '..');

/** The keys of every server of one run, so that tokens can be made here and used there. */
export const KEYS = {
  refreshRoot: randomBytes(32).toString('base64'),
  accessKid: 'bench',
  accessSecret: randomBytes(32),
};

/** Settings of a production; the limits are off, since all clients share one address. */
const SETTINGS = {
  NODE_ENV: 'production',
  HOST: '127.0.0.1',
  PUBLIC_ORIGIN: 'https://bench.example',
  ACCESS_TOKEN_KEYS: `${KEYS.accessKid}:${KEYS.accessSecret.toString('base64')}`,
  ACCESS_TOKEN_TTL: '1h',
  REFRESH_TOKEN_KEYS: `0:${KEYS.refreshRoot}`,
  SWAGGER_ENABLED: 'false',
  LOG_LEVEL: 'warn',
  LIMIT_LOGIN_PER_ACCOUNT: '0',
  LIMIT_LOGIN_PER_IP: '0',
  LIMIT_REFRESH_PER_SESSION: '0',
  LIMIT_INVALID_PER_IP: '0',
  LIMIT_REGISTER_PER_IP: '0',
};

/** Node's options, as `npm start` gives them. */
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: { start: string } };
const NODE_OPTIONS = scripts.start.split(' ').filter((word) => word.startsWith('--'));

type Environment = Readonly<Record<string, string>>;

/** The product as it ships. */
export const ratchet = (
  logFolder: string,
  databaseUrl: string,
  env: Environment = {},
  name = 'ratchet',
): ServerCommand => ({
  name,
  argv: [...NODE_OPTIONS, join(ROOT, 'dist', 'main.js')],
  env: { ...SETTINGS, DATABASE_URL: databaseUrl, ...env },
  ready: '/health/ready',
  logFolder,
});

const ownServer = (
  logFolder: string,
  databaseUrl: string,
  name: string,
  ready: string,
  args: readonly string[],
  env: Environment = {},
): ServerCommand => ({
  name,
  argv: ['-r', require.resolve('@swc-node/register'), '-r', join(__dirname, 'from-dist.cjs'), ...args],
  env: { ...SETTINGS, DATABASE_URL: databaseUrl, TS_NODE_PROJECT: join(ROOT, 'tsconfig.json'), ...env },
  ready,
  logFolder,
});

export const floor = (logFolder: string, databaseUrl: string) =>
  ownServer(logFolder, databaseUrl, 'floor', '/health/ready', [join(ROOT, 'bench/servers/floor.ts')]);

export const plainTypeOrm = (logFolder: string, databaseUrl: string) =>
  ownServer(logFolder, databaseUrl, 'plain-typeorm', '/health/ready', [join(ROOT, 'bench/servers/plain-typeorm.ts')]);

export const host = (
  logFolder: string,
  databaseUrl: string,
  kind: 'bare' | 'host' | 'guarded',
  env: Environment = {},
) => ownServer(logFolder, databaseUrl, kind, '/open', [join(ROOT, 'bench/servers/host.ts'), kind], env);
