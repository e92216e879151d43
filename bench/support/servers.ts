import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { transformFileSync } from '@swc/core';
import { newAccessTokenKey } from '../../src/new-keys';
import type { ServerCommand } from './server-process';

export const ROOT = join(__dirname, '..', '..');

/** The keys of every server of one run, so that tokens can be made here and used there. */
export const KEYS = {
  refreshRoot: randomBytes(32).toString('base64'),
  accessKid: 'bench',
  accessSecret: Buffer.from(newAccessTokenKey('HS256'), 'base64'),
};

/** Entries of `ACCESS_TOKEN_KEYS`; servers sign by the first unless they are given another ring. */
export const ACCESS_KEYS = {
  HS256: `${KEYS.accessKid}:${KEYS.accessSecret.toString('base64')}`,
  ES256: `bench-es:${newAccessTokenKey('ES256')}`,
};

/** Settings of a production; the limits are off, since all clients share one address. */
const SETTINGS = {
  NODE_ENV: 'production',
  HOST: '127.0.0.1',
  PUBLIC_ORIGIN: 'https://bench.example',
  ACCESS_TOKEN_KEYS: ACCESS_KEYS.HS256,
  ACCESS_TOKEN_TTL: '1h',
  REFRESH_TOKEN_KEYS: `0:${KEYS.refreshRoot}`,
  SWAGGER_ENABLED: 'false',
  LOG_LEVEL: 'warn',
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
};

/** Arguments of node, as `npm start` of a tree gives them. */
function startArguments(root: string): string[] {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: { start: string } };
  const words = scripts.start.split(' ');
  return words.slice(words.indexOf('node') + 1).map((word) => (word.startsWith('-') ? word : join(root, word)));
}

/** Node's options among them; every server of this tree is given the same. */
export const NODE_OPTIONS = startArguments(ROOT).filter((word) => word.startsWith('--'));

/** Inside `node_modules`, so that what is compiled finds its packages. */
const COMPILED = join(ROOT, 'node_modules', '.cache', 'ratchet-bench');

type Environment = Readonly<Record<string, string>>;

/** A server of the benchmarks, compiled like the product, and with the built product behind what it imports from `src`. */
function compiled(name: string): string {
  const { code } = transformFileSync(join(ROOT, 'bench', 'servers', `${name}.ts`), {
    jsc: {
      target: 'es2023',
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true },
    },
    module: { type: 'commonjs' },
  });
  mkdirSync(COMPILED, { recursive: true });
  const file = join(COMPILED, `${name}.js`);
  writeFileSync(file, code.replaceAll(/"\.\.\/\.\.\/src(?=[/"])/g, `"${join(ROOT, 'dist')}`));
  return file;
}

/** The product as it ships, of this tree or of another one that is built. */
export const ratchet = (
  logFolder: string,
  databaseUrl: string,
  env: Environment = {},
  name = 'ratchet',
  root = ROOT,
): ServerCommand => ({
  name,
  argv: startArguments(root),
  env: { ...SETTINGS, DATABASE_URL: databaseUrl, ...env },
  ready: '/health/ready',
  logFolder,
});

const ownServer = (
  logFolder: string,
  databaseUrl: string,
  file: string,
  { name = file, args = [], ready = '/health/ready', env = {} }: OwnServer = {},
): ServerCommand => ({
  name,
  argv: [...NODE_OPTIONS, compiled(file), ...args],
  env: { ...SETTINGS, DATABASE_URL: databaseUrl, ...env },
  ready,
  logFolder,
});

interface OwnServer {
  readonly name?: string;
  readonly args?: readonly string[];
  readonly ready?: string;
  readonly env?: Environment;
}

export const floor = (logFolder: string, databaseUrl: string, _env: Environment = {}, name = 'floor') =>
  ownServer(logFolder, databaseUrl, 'floor', { name });

/** The floor in one statement. */
export const floorAtOnce = (logFolder: string, databaseUrl: string, _env: Environment = {}, name = 'floor_at_once') =>
  ownServer(logFolder, databaseUrl, 'floor', { name, args: ['one'] });

export const plainTypeOrm = (logFolder: string, databaseUrl: string) =>
  ownServer(logFolder, databaseUrl, 'plain-typeorm');

/** That many services in one process. */
export const services = (logFolder: string, name: string, count: number, env: Environment) =>
  ownServer(logFolder, '', 'services', { name, args: [String(count)], ready: '/ready', env });

export const host = (
  logFolder: string,
  databaseUrl: string,
  kind: 'bare' | 'host' | 'documented' | 'guarded',
  env: Environment = {},
) => ownServer(logFolder, databaseUrl, 'host', { name: kind, args: [kind], ready: '/open', env });
