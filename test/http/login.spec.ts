import { hash } from 'bcrypt';
import { PasswordHasher } from '../../src';
import { startTestApplication, type TestApplication } from '../support/app/test-application';
import { testDatabase, type TestDatabase } from '../support/database/test-database';
import { answerInBytes } from './support/answer-in-bytes';
import { intercept } from './support/intercept';

// Seen red: inactive users let in, a rehash that fails the login.
describe('A login', () => {
  let database: TestDatabase;
  let app: TestApplication;
  let costlier: TestApplication;
  beforeAll(async () => {
    database = await testDatabase();
    app = await startTestApplication({ database });
    costlier = await startTestApplication({ database, env: { BCRYPT_COST: '5' } });
  });
  afterAll(async () => {
    await Promise.all([app.close(), costlier.close()]);
    await database.close();
  });

  const hashOf = async (id: string): Promise<string> => {
    const [user] = await app.query('SELECT password_hash FROM users WHERE id = $1', [id]);
    return user.password_hash;
  };

  it('that fails is the same answer to the byte, whatever was wrong; the audit trail knows', async () => {
    const account = await app.register();
    const inactive = await app.register();
    await app.query('UPDATE users SET is_active = false WHERE id = $1', [inactive.id]);
    const since = new Date();

    const answers = [
      await answerInBytes(app, '/auth/login', { email: account.email, password: 'not the passphrase' }),
      await answerInBytes(app, '/auth/login', { email: 'nobody@example.com', password: account.password }),
      await answerInBytes(app, '/auth/login', { email: inactive.email, password: inactive.password }),
      await answerInBytes(app, '/auth/login', { email: inactive.email, password: 'not the passphrase' }),
      await answerInBytes(app, '/auth/login', { email: 'no address at all', password: account.password }),
      await answerInBytes(app, '/auth/login', { email: account.email, password: 'x'.repeat(10_000) }),
    ];

    expect(new Set(answers).size).toBe(1);
    const [head, body] = answers[0]!.split('\n\n');
    expect(head).toMatch(/^401 Unauthorized\n/);
    expect(head).toMatch(/cache-control: no-store/i);
    expect(JSON.parse(body!)).toEqual({
      type: 'about:blank',
      title: 'Unauthorized',
      status: 401,
      code: 'invalid_credentials',
      recovery: 'reauthenticate',
    });
    const endings = await app.query(
      `SELECT reason, user_id FROM auth_events WHERE type = 'auth.login.failed.v1' AND occurred_at >= $1
        ORDER BY occurred_at, id`,
      [since],
    );
    expect(endings).toEqual([
      { reason: 'wrong_password', user_id: account.id },
      { reason: 'unknown_account', user_id: null },
      { reason: 'user_inactive', user_id: inactive.id },
      { reason: 'wrong_password', user_id: inactive.id },
      { reason: 'unknown_account', user_id: null },
      { reason: 'wrong_password', user_id: account.id },
    ]);
    expect(await app.query('SELECT FROM sessions WHERE user_id = ANY($1)', [[account.id, inactive.id]])).toEqual([]);
  });

  it('knows an e-mail in every spelling of it, and a password in both normal forms', async () => {
    const email = 'straße@example.com';
    await app.register({ email: '  ＳＴＲＡßE@Example.COM ', password: 'Ångström and ﬁsh' });
    for (const spelling of [email, email.toUpperCase().replace('SS', 'ß'), ' ｓtraße@example.com']) {
      for (const form of ['NFC', 'NFD', 'NFKC'] as const) {
        const login = { email: spelling, password: 'Ångström and ﬁsh'.normalize(form) };
        expect(await app.logIn(login)).toMatchObject({ status: 200 });
      }
    }
    expect(await app.logIn({ email, password: 'angström and fish' })).toMatchObject({ status: 401 });
  });

  it('opens a session of its own each time, with the record of both', async () => {
    const account = await app.register();
    const [first, second] = [(await app.logIn(account)).body, (await app.logIn(account)).body];
    expect(first.sessionId).not.toBe(second.sessionId);
    expect(await app.refresh(first.refreshToken)).toMatchObject({ status: 200 });
    expect(await app.refresh(second.refreshToken)).toMatchObject({ status: 200 });
    const trail = (await app.events({ sessionId: second.sessionId })).slice(0, 3);
    expect(trail.map(({ type, outcome }) => [type, outcome])).toEqual([
      ['auth.login.attempted.v1', 'attempted'],
      ['auth.session.created.v1', 'succeeded'],
      ['auth.login.succeeded.v1', 'succeeded'],
    ]);
    expect(new Set(trail.map(({ attempt_id }) => attempt_id)).size).toBe(1);
  });

  it('stores a costlier hash once the cost has risen, and never a cheaper one', async () => {
    const account = await app.register();
    const cheap = await hashOf(account.id);
    expect(cheap).toMatch(/^\$2b\$04\$/);

    expect(await costlier.logIn({ ...account, password: 'not the passphrase' })).toMatchObject({ status: 401 });
    expect(await hashOf(account.id)).toBe(cheap);
    expect(await costlier.logIn(account)).toMatchObject({ status: 200 });
    const costly = await hashOf(account.id);
    expect(costly).toMatch(/^\$2b\$05\$/);

    for (const instance of [app, costlier]) expect(await instance.logIn(account)).toMatchObject({ status: 200 });
    expect(await hashOf(account.id)).toBe(costly);
  });

  it('succeeds also when the costlier hash cannot be stored', async () => {
    const account = await app.register();
    await app.query(
      `ALTER TABLE users ADD CONSTRAINT none_of_cost_5 CHECK (password_hash NOT LIKE '$2b$05$%') NOT VALID`,
    );
    try {
      expect(await costlier.logIn(account)).toMatchObject({ status: 200 });
    } finally {
      await app.query('ALTER TABLE users DROP CONSTRAINT none_of_cost_5');
    }
    expect(await hashOf(account.id)).toMatch(/^\$2b\$04\$/);
  });

  it('reads the whole password: bcrypt would stop at 72 bytes', async () => {
    const account = await app.register();
    const long = 'a'.repeat(72);
    await app.query('UPDATE users SET password_hash = $2 WHERE id = $1', [account.id, await hash(long, 4)]);
    expect(await app.logIn({ ...account, password: long })).toMatchObject({ status: 200 });
    expect(await app.logIn({ ...account, password: `${long}b` })).toMatchObject({ status: 401 });
  });

  it('that cannot be recorded opens no session, and the next one does', async () => {
    const account = await app.register();
    await app.query('ALTER TABLE auth_events RENAME TO auth_events_away');
    try {
      expect(await app.logIn(account)).toMatchObject({ status: 503, body: { recovery: 'retry' } });
      expect(await app.logIn({ ...account, password: 'wrong' })).toMatchObject({ status: 503 });
    } finally {
      await app.query('ALTER TABLE auth_events_away RENAME TO auth_events');
    }
    expect(await app.query('SELECT FROM sessions WHERE user_id = $1', [account.id])).toEqual([]);
    expect(await app.logIn(account)).toMatchObject({ status: 200 });
  });

  it('that meets a fault is told of its user', async () => {
    const account = await app.register();
    const restore = intercept(app, PasswordHasher, 'verify', () => Promise.reject(new Error('a fault')));
    expect(await app.logIn(account).finally(restore)).toMatchObject({ status: 503 });
    expect((await app.events({ userId: account.id })).slice(-2)).toMatchObject([
      { type: 'auth.login.attempted.v1' },
      { type: 'auth.login.failed.v1', reason: 'fault' },
    ]);
  });

  it.each([
    { body: { email: 'sam@example.com' }, path: 'password' },
    { body: { email: 7, password: 'a long passphrase' }, path: 'email' },
    { body: { email: 'sam@example.com', password: 'a long passphrase', role: 'admin' }, path: 'role' },
    { body: { email: 'sam@example.com', password: 'a\u0000b' }, path: 'password' },
    { body: { email: 'sam@example.com', password: 'a long passphrase', delivery: 'carrier pigeon' }, path: 'delivery' },
  ])('with a bad $path is 400 and names it', async ({ body, path }) => {
    const answer = await app.post('/auth/login', body);
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(answer.body.errors[0].path).toBe(path);
  });
});
