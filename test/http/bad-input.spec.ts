import { ADAPTERS } from '../support/adapters';
import { startTestApplication, type TestApplication } from '../support/app/test-application';
import { openChain, present, rowOf, sealElsewhere, TRUSTING } from './support/sessions';
import { statementsOf } from './support/statements';

const BODY_LIMIT = 16 * 1024;

// Seen red: junk that is looked for in the sessions.
describe.each(ADAPTERS)('Over %s', (adapter) => {
  let app: TestApplication;
  let token: string;
  let accessToken: string;
  let sessionId: string;
  beforeAll(async () => {
    app = await startTestApplication({ adapter, env: TRUSTING });
    ({ accessToken, refreshToken: token, sessionId } = (await app.logIn()).body);
  });
  afterEach(async () => {
    // Whatever was sent, the session is as it was.
    expect(await rowOf(app, sessionId)).toMatchObject({ generation: 0, revoked_at: null });
  });
  afterAll(async () => {
    expect(await app.refresh(token)).toMatchObject({ status: 200, body: { generation: 1 } });
    await app.close();
  });

  describe('a refresh token that this system has not sealed in this very spelling is 401 without the database:', () => {
    const bytes = () => Buffer.from(token.slice(4), 'base64url');
    it.each([
      { name: 'nothing', spell: () => '' },
      { name: 'garbage', spell: () => 'garbage' },
      { name: 'the prefix alone', spell: () => 'rt1_' },
      { name: 'one character less', spell: () => token.slice(0, -1) },
      { name: 'one character more', spell: () => `${token}A` },
      { name: 'the first half', spell: () => token.slice(0, 48) },
      { name: 'without its prefix', spell: () => token.slice(4) },
      { name: 'another version', spell: () => token.replace('rt1_', 'rt2_') },
      { name: 'padded', spell: () => `${token}=` },
      { name: 'with a line break', spell: () => `${token}\n` },
      { name: 'with a space before it', spell: () => ` ${token}` },
      { name: 'in base64', spell: () => `rt1_${bytes().toString('base64').replace(/^.{4}/, '++//')}` },
      { name: 'in hex', spell: () => `rt1_${bytes().toString('hex')}` },
      { name: 'in bytes that only look alike', spell: () => token.replace('rt1_', 'ｒt1_') },
      { name: 'percent-encoded', spell: () => token.replace('_', '%5F') },
      { name: 'in upper case', spell: () => token.toUpperCase() },
      { name: 'by a key that the ring lacks', spell: () => sealElsewhere(app, token, 200) },
      { name: "by somebody else's key under our id", spell: () => sealElsewhere(app, token, 0) },
      { name: 'an access token', spell: () => accessToken },
      { name: 'as much as a body may hold', spell: () => 'x'.repeat(BODY_LIMIT - 19) },
      { name: 'with a NUL', spell: () => `${token}\u0000` },
      { name: 'SQL', spell: () => "rt1_'; DROP TABLE sessions; --" },
    ])('$name', async ({ spell }) => {
      let answer;
      const statements = await statementsOf(async () => {
        ({ answer } = await present(app, spell()));
      });
      expect(answer).toMatchObject({
        status: 401,
        body: {
          type: 'about:blank',
          title: 'Unauthorized',
          status: 401,
          code: 'token_invalid',
          recovery: 'reauthenticate',
        },
      });
      // Its record is all that the database hears of; `present` itself reads it.
      expect(statements.filter((text) => !text.includes('auth_events'))).toEqual([]);
      expect(statements.join('\n')).not.toMatch(/\bsessions\b/);
    });

    it('the token with any one of its characters changed', async () => {
      const statements = await statementsOf(async () => {
        for (let at = 0; at < token.length; at++) {
          const mutant = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
          expect(await app.refresh(mutant)).toMatchObject({ status: 401, body: { code: 'token_invalid' } });
        }
      });
      expect(statements.join('\n')).not.toMatch(/\bsessions\b/);
    });

    it('whereas a genuine one is looked for in the sessions', async () => {
      const { current } = await openChain(app);
      expect((await statementsOf(() => app.refresh(current))).join('\n')).toMatch(/\bFROM "ratchet".sessions\b/);
    });
  });

  describe('a request that is none is refused before anything is looked at:', () => {
    const json = { 'Content-Type': 'application/json' };
    const rules = (path: string, message: unknown) => ({ code: 'invalid_request', errors: [{ path, message }] });
    const BODY = rules('body', expect.stringContaining('JSON'));

    it.each([
      { name: 'larger than 16 KiB', body: () => ({ refreshToken: 'x'.repeat(BODY_LIMIT) }), status: 413 },
      { name: 'a form', headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, status: 415 },
      { name: 'plain text', headers: { 'Content-Type': 'text/plain' }, status: 415 },
      { name: 'another JSON', headers: { 'Content-Type': 'application/merge-patch+json' }, status: 415 },
      { name: 'another charset', headers: { 'Content-Type': 'application/json; charset=utf-16' }, status: 415 },
      { name: 'compressed', headers: { ...json, 'Content-Encoding': 'gzip' }, status: 415 },
      { name: 'half of the JSON', body: () => `{"refreshToken":"${token}"`, status: 400, problem: BODY },
      { name: 'two documents', body: () => `{"refreshToken":"${token}"}{}`, status: 400, problem: BODY },
      { name: 'a list', body: () => [token], status: 400, problem: BODY },
      { name: 'a string', body: () => JSON.stringify(token), status: 400, problem: BODY },
      {
        name: 'without a token',
        body: () => ({}),
        status: 400,
        problem: rules('refreshToken', 'refreshToken must be a string, or be sent as the cookie'),
      },
      ...[null, 7, true, {}, ['rt1_']].map((other) => ({
        name: `with the token ${JSON.stringify(other)}`,
        body: () => ({ refreshToken: other }),
        status: 400,
        problem: rules('refreshToken', 'refreshToken must be a string'),
      })),
      {
        name: 'with a field that there is not',
        body: () => ({ refreshToken: token, admin: true }),
        status: 400,
        problem: rules('admin', 'property admin should not exist'),
      },
      {
        name: 'with __proto__',
        body: () => `{"refreshToken":"${token}","__proto__":{"admin":true}}`,
        status: 400,
        problem: rules('__proto__', 'property __proto__ should not exist'),
      },
      {
        name: 'with a NUL in the name of the device',
        body: () => ({ refreshToken: token, deviceName: 'a\u0000b' }),
        status: 400,
        problem: rules('deviceName', expect.stringContaining('control characters')),
      },
      {
        name: 'with a long name of the device',
        body: () => ({ refreshToken: token, deviceName: 'x'.repeat(129) }),
        status: 400,
        problem: rules('deviceName', expect.stringContaining('128')),
      },
    ])('$name is $status', async ({ body = () => ({ refreshToken: token }), headers = json, status, ...rest }) => {
      let answer;
      const statements = await statementsOf(async () => {
        answer = await app.request('POST', '/auth/refresh', { body: body(), headers });
      });
      expect(answer).toMatchObject({
        status,
        body: { type: 'about:blank', status, ...('problem' in rest && rest.problem) },
      });
      expect(JSON.stringify(answer)).not.toContain(token);
      expect(statements).toEqual([]);
    });
  });
});
