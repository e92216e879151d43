import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { newAccessTokenKey } from '../../src/new-keys';
import { buildIfStale } from '../support/app/child-application';
import { freePort } from '../support/free-port';
import { administer, urlOf } from '../support/database/test-database';
import { until } from '../support/until';

/** An installation from the registry. */
jest.setTimeout(480_000);

const ROOT = resolve(__dirname, '../..');
const run = promisify(execFile);

/** Loaded by what is listed, not by a file of ours: Nest's own peer, and what serves Swagger UI's files on Fastify. */
const LOADED_BY_OTHERS = ['@fastify/static', 'reflect-metadata'];

/** Writes the packages that files of ours have loaded, one a line. */
const REPORTER = `
const Module = require('node:module');
const { appendFileSync } = require('node:fs');
const load = Module._load;
Module._load = function (name, parent, ...rest) {
  const loaded = load.call(this, name, parent, ...rest);
  if (/^[@a-z]/.test(name) && !Module.isBuiltin(name) && !parent?.filename?.includes('node_modules'))
    appendFileSync(process.env.LOADED, name.match(/^(@[^/]+\\/)?[^/]+/)[0] + '\\n');
  return loaded;
};`;

describe('the image', () => {
  let folder: string;
  let dockerfile: string;
  beforeAll(async () => {
    buildIfStale();
    dockerfile = await readFile(join(ROOT, 'deploy/Dockerfile'), 'utf8');
    folder = await mkdtemp(join(tmpdir(), 'ratchet-image-'));
    for (const file of ['package.json', 'package-lock.json'])
      await cp(join(ROOT, 'deploy', file), join(folder, 'packages', file));
    await run('npm', ['ci', '--omit=dev', '--ignore-scripts'], { cwd: join(folder, 'packages') });
    const [, last = ''] = /^.*\nFROM (.*)$/s.exec(dockerfile) ?? [];
    for (const [, from, given = '', target = ''] of last.matchAll(/^COPY (?:--from=(\w+) )?(\S+) (\S+)$/gm)) {
      const source = {
        build: given.replace('/build', ROOT),
        packages: given.replace('/packages', join(folder, 'packages')),
      };
      const place = join(folder, 'app', target === './' ? given : target);
      await mkdir(dirname(place), { recursive: true });
      await cp(from === undefined ? join(ROOT, given) : source[from as keyof typeof source], place, {
        recursive: true,
      });
    }
    await writeFile(join(folder, 'reporter.cjs'), REPORTER);
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('migrates, starts, serves and stops with the packages of deploy/package.json, and loads each of them', async () => {
    const database = `image_${process.pid}`;
    await administer(`CREATE DATABASE ${database}`);
    const port = await freePort();
    const loaded = join(folder, 'loaded.txt');
    const env = {
      PATH: process.env['PATH'],
      NODE_ENV: 'production',
      NODE_OPTIONS: `--require ${join(folder, 'reporter.cjs')}`,
      LOADED: loaded,
      HOST: '127.0.0.1',
      PORT: String(port),
      PUBLIC_ORIGIN: 'https://app.example',
      DATABASE_URL: urlOf(database),
      MIGRATE_ON_START: 'false',
      // Nobody is there: limits are counted in the process.
      REDIS_URL: `redis://127.0.0.1:${await freePort()}`,
      SWAGGER_ENABLED: 'true',
      ACCESS_TOKEN_KEYS: `k1:${newAccessTokenKey('HS256')}`,
      REFRESH_TOKEN_KEYS: `1:${randomBytes(32).toString('base64')}`,
    };
    const cwd = join(folder, 'app');
    try {
      const migrated = await run(process.execPath, ['bin/ratchet.cjs', 'migrate'], { cwd, env });
      expect(migrated.stdout).toMatch(/Baseline\d+\n.*Users\d+\n$/);

      const [, command = ''] = /^CMD (\[.*\])$/m.exec(dockerfile) ?? [];
      const [program = '', ...args] = JSON.parse(command) as string[];
      expect(program).toBe('node');
      const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
      const exited = once(child, 'exit');
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => (output += text));
      await until(() => {
        if (child.exitCode !== null) throw new Error(output);
        return output.includes('Ratchet is running');
      });
      const post = (path: string, body: object) =>
        fetch(`http://127.0.0.1:${port}${path}`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify(body),
        });
      const account = { email: 'ann@app.example', password: 'a long enough passphrase' };
      expect((await post('/auth/register', account)).status).toBe(201);
      const { refreshToken } = (await (await post('/auth/login', account)).json()) as { refreshToken: string };
      expect((await post('/auth/refresh', { refreshToken })).status).toBe(200);
      for (const path of ['/docs', '/docs/swagger-ui.css', '/health/ready', '/metrics'])
        expect([path, (await fetch(`http://127.0.0.1:${port}${path}`)).status]).toEqual([path, 200]);

      const [, health = ''] = /^HEALTHCHECK .* CMD (\[.*\])$/m.exec(dockerfile) ?? [];
      await run(process.execPath, (JSON.parse(health) as string[]).slice(1), { env });
      child.kill('SIGTERM');
      expect(await exited).toEqual([0, null]);
      await expect(run(process.execPath, (JSON.parse(health) as string[]).slice(1), { env })).rejects.toThrow();
    } finally {
      await administer(`DROP DATABASE ${database} WITH (FORCE)`);
    }

    const listed = JSON.parse(await readFile(join(ROOT, 'deploy/package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    const names = Object.keys(listed.dependencies).filter((name) => !LOADED_BY_OTHERS.includes(name));
    const used = new Set((await readFile(loaded, 'utf8')).trim().split('\n'));
    expect([...used].sort()).toEqual(names.sort());
  });
});
