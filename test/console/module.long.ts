import { ADAPTERS } from '../support/adapters';
import { startTestApplication, type TestApplication } from '../support/app/test-application';

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

describe.each(ADAPTERS)('the console over %s', (adapter) => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await startTestApplication({ adapter, env: { CONSOLE_ENABLED: 'true', SWAGGER_ENABLED: 'true' } });
  });
  afterAll(() => app.close());

  it.each([
    ['', 'text/html'],
    ['console.js', 'text/javascript'],
    ['console.css', 'text/css'],
    ['icon.svg', 'image/svg+xml'],
    ['LICENSES.txt', 'text/plain'],
  ])('serves /console/%s as %s under its policy', async (name, type) => {
    const { status, headers } = await app.get(`/console/${name}`);
    expect(status).toBe(200);
    expect(headers.get('Content-Type')).toContain(type);
    expect(headers.get('Content-Security-Policy')).toBe(POLICY);
    expect(headers.get('X-Content-Type-Options')).toBe('nosniff');
    expect(headers.get('Referrer-Policy')).toBe('no-referrer');
  });

  it('has nothing inline, and knows the way to the routes', async () => {
    const { body } = await app.get('/console/');
    expect(body).toContain('<meta name="routes" content="../" />');
    expect(body).not.toMatch(/<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/);
  });

  it('is found without the slash, too', async () => {
    const answer = await fetch(`${app.url}/console`, { redirect: 'manual' });
    expect(answer.status).toBe(302);
    expect(new URL(answer.headers.get('Location')!, `${app.url}/console`).href).toBe(`${app.url}/console/`);
  });

  it.each(['nothing.js', '..%2fmain.js', '%2e%2e%2findex.html', 'console.js%00'])('has no file %s', async (name) => {
    expect([400, 404]).toContain((await app.get(`/console/${name}`)).status);
  });

  it('is not among the documented routes', async () => {
    const { body } = await app.get('/docs-json');
    expect(Object.keys(body.paths).filter((path) => path.startsWith('/console'))).toEqual([]);
  });
});

it('the console is not there unless it is switched on', async () => {
  const app = await startTestApplication();
  try {
    expect((await app.get('/console/')).status).toBe(404);
  } finally {
    await app.close();
  }
});
