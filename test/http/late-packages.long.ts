import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { freshDatabase } from '../support/database/test-database';

const CHECKS = ['class-validator', 'class-transformer'];
const KEY = randomBytes(32).toString('base64');

/** Which of the packages that take long to load a process of Node has loaded, at each call of `tell()` in its statements. */
async function loadedBy(statements: string, env: Readonly<Record<string, string>> = {}): Promise<string[][]> {
  const script = `
    const told = [];
    const loaded = () => ['@nestjs/swagger', 'class-validator', 'class-transformer'].filter((name) =>
      Object.keys(require.cache).some((file) => file.includes('/node_modules/' + name + '/')));
    const tell = () => told.push(loaded());
    (async () => { ${statements} })().then(() => console.log(JSON.stringify(told)));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['-r', '@swc-node/register', '-e', script], {
    cwd: resolve('.'),
    env: { ...process.env, LOG_LEVEL: 'silent', ...env },
  });
  return JSON.parse(stdout) as string[][];
}

/** `host(options)` starts a host with auth's module, and tells. */
const HOSTS = `
  const { NestFactory } = require('@nestjs/core');
  const { FastifyAdapter } = require('@nestjs/platform-fastify');
  const { AuthTestingModule } = require('./src/testing');
  const host = async (options, prepare = () => undefined) => {
    const app = await NestFactory.create(AuthTestingModule.forRoot(options), new FastifyAdapter(), { logger: false });
    prepare(app);
    await app.listen(0, '127.0.0.1');
    tell();
    const url = await app.getUrl();
    const ask = (path, body) => fetch(url + path, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
    return { ask, close: () => app.close() };
  };`;

// Seen red with the decorators taken from @nestjs/swagger and class-validator in one DTO, with Terminus's own @HealthCheck(),
// and with class-validator required by peers.ts.
it('the application without a document loads no @nestjs/swagger, and class-validator for the first thing that it receives', async () => {
  const database = await freshDatabase();
  const told = await loadedBy(
    `
      const { createApplication } = require('./src/bootstrap');
      const { loadConfig } = require('./src/config');
      const { app, close } = await createApplication(loadConfig());
      await app.listen(0, '127.0.0.1');
      const url = await app.getUrl();
      const { status } = await fetch(url + '/health/ready');
      if (status !== 200) throw new Error('not ready: ' + status);
      tell();
      await fetch(url + '/auth/register', {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
      tell();
      await close();`,
    {
      DATABASE_URL: database.url,
      SWAGGER_ENABLED: 'false',
      ACCESS_TOKEN_KEYS: `k1:${KEY}`,
      REFRESH_TOKEN_KEYS: `0:${KEY}`,
    },
  );
  await database.close();
  expect(told).toEqual([[], CHECKS]);
});

// Seen red with notes that were applied in every process that mounts the routes.
it('a host that wants no document of auth loads no @nestjs/swagger, and what checks a request soon after it listens, without one', async () => {
  const told = await loadedBy(`${HOSTS}
    const { ask, close } = await host({ documented: false });
    while (loaded().length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
    tell();
    const { status } = await ask('/auth/login', { email: 1 });
    if (status !== 400) throw new Error('not refused: ' + status);
    tell();
    await close();`);
  expect(told).toEqual([[], CHECKS, CHECKS]);
});

it('a host without the routes loads none of them; one that mounts them has loaded @nestjs/swagger, whether or not it makes a document later', async () => {
  const told = await loadedBy(`${HOSTS}
    for (const options of [{ controllers: false }, {}]) await (await host(options)).close();`);
  expect(told).toEqual([[], ['@nestjs/swagger']]);
});

// Seen red with rules that only our own pipes apply: the host's is the first, and took every field away.
it("a host's pipe that looks at the parameters of custom decorators, too, finds the rules at the first request", async () => {
  const told = await loadedBy(`${HOSTS}
    const { ValidationPipe } = require('@nestjs/common');
    const pipe = new ValidationPipe({ whitelist: true, validateCustomDecorators: true });
    const { ask, close } = await host({ documented: false }, (app) => app.useGlobalPipes(pipe));
    const answer = await ask('/auth/login', { email: 'ann@example.com', password: 'a wrong passphrase' });
    if (answer.status !== 401) throw new Error('not understood: ' + (await answer.text()));
    tell();
    await close();`);
  expect(told.map((names) => names.includes('@nestjs/swagger'))).toEqual([false, false]);
});
