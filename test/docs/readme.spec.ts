import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { transformSync } from '@swc/core';
import { startTestApplication, type TestApplication } from '../support/app/test-application';

const ROOT = resolve(__dirname, '../..');
const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');

/** What differs from run to run gets a number in the order of its first appearance, so that what is the same stays the same. */
function normalised(transcript: string): string {
  const seen = new Map<string, string>();
  return transcript.replace(
    /(?:rt1_|eyJ)[\w-]+…[\w-]+|[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}|http:\/\/127\.0\.0\.1:\d+/g,
    (volatile) => seen.get(volatile) ?? (seen.set(volatile, `<${seen.size + 1}>`), `<${seen.size}>`),
  );
}

describe('the tour', () => {
  jest.setTimeout(120_000);
  const run = (env: Record<string, string> = {}) =>
    promisify(execFile)(process.execPath, [join(ROOT, 'scripts/tour.mjs'), '--markdown'], {
      env: { PATH: process.env.PATH, ...env },
    });

  it('answers as the README says: if not, put the output of `node scripts/tour.mjs --markdown` there', async () => {
    const { stdout } = await run();
    const [, block = ''] = /<!-- tour -->\n([^]*)<!-- \/tour -->/.exec(readme) ?? [];
    expect(normalised(block)).toBe(normalised(stdout));
  });

  it('fails when an answer is not the expected one', async () => {
    // Without the demo accounts nobody can sign in.
    const app = await startTestApplication();
    await expect(run({ BASE_URL: app.url })).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringContaining('invalid_credentials'),
      stderr: 'The tour stopped: Expected status 200, not 401\n',
    });
    await app.close();
  });
});

describe("the client's rule", () => {
  type Refresh = (store: Map<string, string>, url: string) => Promise<string>;
  const [, source = ''] = /```ts\n([^]*?)```/.exec(readme) ?? [];
  let app: TestApplication;
  let store: Map<string, string>;
  let refresh: Refresh;

  beforeAll(async () => {
    app = await startTestApplication({ env: { REFRESH_REPLAY_WINDOW: '0' } });
    const client: { refresh?: Refresh } = {};
    const { code } = transformSync(source, {
      jsc: { parser: { syntax: 'typescript' }, target: 'es2023' },
      module: { type: 'commonjs' },
    });
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the README's own code
    new Function('exports', code)(client);
    refresh = client.refresh!;
  });
  afterAll(() => app.close());
  beforeEach(async () => {
    store = new Map([['refreshToken', (await app.logIn()).body.refreshToken]]);
  });
  afterEach(() => jest.restoreAllMocks());

  it('keeps whoever follows it signed in when an answer gets lost, even without a window', async () => {
    const { fetch } = globalThis;
    jest.spyOn(globalThis, 'fetch').mockImplementationOnce(async (...request) => {
      await fetch(...request);
      throw new TypeError('fetch failed');
    });
    await expect(refresh(store, app.url)).rejects.toThrow('fetch failed');
    expect(await app.get('/auth/me', await refresh(store, app.url))).toMatchObject({ status: 200 });
    expect(await app.get('/auth/me', await refresh(store, app.url))).toMatchObject({ status: 200 });
    expect(store).toEqual(new Map([['refreshToken', expect.stringMatching(/^rt1_/)]]));
  });

  it('says when to sign in again', async () => {
    await app.post('/auth/logout', { refreshToken: store.get('refreshToken') });
    await expect(refresh(store, app.url)).rejects.toThrow('Sign in again');
  });
});
