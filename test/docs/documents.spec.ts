import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { AUTH_EVENTS } from '../../src';
import { ADMIN, type Json, startTestApplication, type TestApplication } from '../support/app/test-application';
import { until } from '../support/until';
import { complaintsOf } from './compile';

const ROOT = resolve(__dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const markdownIn = (folder: string) =>
  readdirSync(join(ROOT, folder), { recursive: folder !== '' })
    .map((path) => join(folder, String(path)))
    .filter((path) => path.endsWith('.md'));

const documents = [...markdownIn(''), ...markdownIn('docs')].map((path) => ({ path, text: read(path) }));
const wordsOf = (text: string, pattern: RegExp) => [
  ...new Set([...text.matchAll(pattern)].map(([, word = '']) => word)),
];
const block = (path: string, language: string) =>
  new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(read(path))?.[1] ?? '';

/** Written like settings, and none. */
const OTHER_NAMES = [
  'NODE_EXTRA_CA_CERTS',
  'AUTH_EVENTS',
  'READ_BY_REFRESH',
  'AUTH_DEFAULTS',
  'TEST_DATABASE_URL',
  'OTEL_TRACES_SAMPLER',
  'TOKEN_THEFT_DETECTED',
];

/** Of the application that `nest new` makes. */
const OTHER_SCRIPTS = ['start:prod'];

describe.each(documents)('$path', ({ path, text }) => {
  const headingsOf = (document: string) =>
    wordsOf(document, /^#+ (.+)$/gm).map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    );

  it('links to what exists', () => {
    for (const link of wordsOf(text, /\]\((?!https:)([^)]+)\)/g)) {
      const [file = '', heading] = link.split('#');
      const target = file === '' ? path : join(dirname(path), file);
      expect(existsSync(join(ROOT, target)) ? target : `${target} is missing`).toBe(target);
      if (heading !== undefined) expect(headingsOf(read(target))).toContain(heading);
    }
  });

  it('names files, settings, scripts and events that exist', () => {
    const files = wordsOf(text, /`((?:src|test|scripts|docs)\/[\w/.-]+)`/g);
    expect(files.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
    const settings = wordsOf(read('.env.example'), /^(?:# )?([A-Z_]+)=/gm);
    const settingsOf = wordsOf(text, /`([A-Z]+_[A-Z_]+)(?:=\w+)?`/g).filter((name) => !OTHER_NAMES.includes(name));
    expect(settings).toEqual(expect.arrayContaining(settingsOf));
    const scripts = Object.keys((JSON.parse(read('package.json')) as { scripts: object }).scripts);
    expect([...scripts, ...OTHER_SCRIPTS]).toEqual(expect.arrayContaining(wordsOf(text, /npm run ([\w:-]+)/g)));
    const events: string[] = AUTH_EVENTS.map(({ type }) => type);
    expect(events).toEqual(expect.arrayContaining(wordsOf(text, /`(auth\.[\w.]+\.v\d+)`/g)));
  });
});

it('the README shows the module that docs/embedding.md builds', () => {
  const [, module = 'none'] = /```ts\n(@Module[^]*?)```/.exec(read('README.md')) ?? [];
  expect(read('docs/embedding.md')).toContain(module);
});

it('docs/embedding.md shows the examples as they are, apart from the indentation', () => {
  const unindented = (code: string) => code.replace(/^ +/gm, '');
  const shown = [...read('docs/embedding.md').matchAll(/^```ts\n\/\/ (examples\/\S+)\n([^]*?)^```$/gm)];
  expect(shown.length).toBeGreaterThan(4);
  for (const [, path = '', code = ''] of shown) expect(unindented(read(path))).toContain(unindented(code));
});

it.each(markdownIn('docs/adr'))('%s has context, options, choice and cost on at most 60 lines', (path) => {
  const text = read(path);
  expect(wordsOf(text, /^## (.+)$/gm)).toEqual(['Context', 'Options', 'Choice', 'Cost']);
  expect(text.split('\n').length - 1).toBeLessThanOrEqual(60);
});

it('docs/operations.md has the settings as .env.example has them', () => {
  const settings = [...read('.env.example').matchAll(/^# (.*)\n(?:# )?([A-Z_]+)=(.*)$/gm)].map(
    ([, meaning, name, value]) => `| \`${name}\` | ${value ? `\`${value}\`` : ''} | ${meaning} |`,
  );
  const [, table = ''] = /<!-- settings -->\n([^]*)\n<!-- \/settings -->/.exec(read('docs/operations.md')) ?? [];
  expect(table.split('\n').slice(2)).toEqual(settings);
});

it("the client's rule in the README and the listener in docs/events.md compile", () => {
  const blocks = ['README.md', 'docs/events.md'].map((path) => block(path, 'ts'));
  expect(blocks).toEqual([
    expect.stringContaining('export async function refresh('),
    expect.stringContaining('@OnEvent'),
  ]);
  expect(complaintsOf(...blocks)).toEqual([]);
});

describe('what the documents tell of the application', () => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await startTestApplication({ env: { SWAGGER_ENABLED: 'true' } });
  });
  afterAll(() => app.close());

  it('docs/routes.md lists its routes', async () => {
    const { body } = await app.get('/docs-json');
    const routes = Object.entries<object>(body.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace(/{(\w+)}/g, ':$1')}`),
    );
    expect(wordsOf(read('docs/routes.md'), /^\| `([A-Z]+ \/\S+)` \|/gm).sort()).toEqual(routes.sort());
  });

  it('the retry by curl has the same refresh token in its answer', async () => {
    const { refreshToken } = (await app.logIn()).body;
    const env = { ...process.env, RATCHET: app.url, TOKEN: refreshToken, KEY: '0123456789abcdef0123456789abcdef' };
    const curl = async () => {
      const { stdout } = await promisify(execFile)('sh', ['-c', block('docs/refresh.md', 'sh')], { env });
      return JSON.parse(stdout) as { refreshToken: string; generation: number };
    };
    const first = await curl();
    const again = await curl();
    expect(first.generation).toBe(1);
    expect([again.refreshToken, again.generation]).toEqual([first.refreshToken, 1]);
  });

  // Seen red: a grace period for a rotation that has none.
  it('every body that Swagger UI offers to an administrator is taken', async () => {
    const { paths, components } = JSON.parse(read('openapi.json'));
    const zero: Json = { integer: 0, number: 0, string: 'string', boolean: true, array: [] };
    const madeUp = ({ example, default: usual, enum: one, type }: Json): Json =>
      example ?? usual ?? one?.[0] ?? zero[type];
    const offersOf = ({ examples, schema }: Json): Json[] => {
      if (examples !== undefined) return Object.values<Json>(examples).map(({ value }) => value);
      const { properties } = components.schemas[schema.$ref.split('/').at(-1)];
      return [Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, madeUp(property)]))];
    };
    const { id } = await app.register();
    const statuses: Record<string, number[]> = {};
    for (const [path, methods] of Object.entries<Json>(paths).filter(([path]) => path.startsWith('/admin'))) {
      for (const [method, { requestBody }] of Object.entries<Json>(methods)) {
        if (requestBody === undefined) continue;
        const answers: number[] = [];
        statuses[`${method} ${path}`] = answers;
        for (const body of offersOf(requestBody.content['application/json'])) {
          const bearer = (await app.logIn(ADMIN)).body.accessToken;
          const answer = await app.request(method.toUpperCase(), path.replace('{id}', id), { body, bearer });
          answers.push(answer.status);
        }
      }
    }
    expect(statuses).toEqual({
      'patch /admin/security': [200],
      'post /admin/security/recovery': [200, 200, 200],
      'post /admin/security/rotations': [201, 201, 201],
      'post /admin/users/{id}/rotations': [201],
      'post /admin/users/{id}/act': [200],
      'patch /admin/users/{id}': [200],
    });
  });

  it('the rotation by curl drains', async () => {
    const admin = (await app.logIn(ADMIN)).body.accessToken;
    const env = { ...process.env, RATCHET: app.url, ADMIN: admin };
    const { stdout } = await promisify(execFile)('sh', ['-c', block('docs/versions.md', 'sh')], { env });
    const rotation = JSON.parse(stdout) as { previousVersion: number };
    expect(rotation).toMatchObject({ mode: 'drain', newVersion: rotation.previousVersion + 1 });
  });

  it('the refusals of a user are found as docs/events.md says', async () => {
    const account = await app.register();
    await app.logIn({ ...account, password: 'not the passphrase' });
    const sql = block('docs/events.md', 'sql').replace(':user', '$1');
    expect(await app.query(sql, [account.id])).toMatchObject([
      { type: 'auth.login.failed.v1', reason: 'wrong_password', ip_address: '127.0.0.1' },
    ]);
  });

  it('docs/operations.md tells of every metric', async () => {
    const { body } = await app.get('/metrics');
    const ours = wordsOf(body, /^# HELP (ratchet_\w+)/gm).filter((name) => !/^ratchet_(nodejs|process)_/.test(name));
    expect(wordsOf(read('docs/operations.md'), /`(ratchet_\w+)/g).sort()).toEqual(ours.sort());
  });

  it('after the statements for a restored backup no token counts', async () => {
    const { accessToken, refreshToken } = (await app.logIn()).body;
    await app.query(block('SECURITY.md', 'sql'));
    expect(await app.refresh(refreshToken)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
    // The guard reads the policy once a second; the application would be started after these statements.
    await until(async () => (await app.get('/auth/me', accessToken)).status === 401);
    const { body } = await app.logIn();
    expect(await app.refresh(body.refreshToken)).toMatchObject({ status: 200 });
  });
});
