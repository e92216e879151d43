import { type Json, startTestApplication, type TestApplication } from '../support/app/test-application';
import { DEMO_ACCOUNTS } from '../../src/users';
import { freePort } from '../support/free-port';
import { ratchet } from './ratchet';

describe('ratchet drill', () => {
  describe('on a development instance', () => {
    let app: TestApplication;
    beforeAll(async () => {
      app = await startTestApplication({ env: { BOOTSTRAP_ADMIN_PASSWORD: DEMO_ACCOUNTS[0].password } });
    });
    afterAll(() => app.close());

    it('plays four scenes, and prints what client, thief and trail saw, and where the picture is', async () => {
      const { code, json, stderr } = await ratchet(['drill', '--json', '--url', app.url], {});
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const [lost, tabs, theft, cutOff]: Json[] = json.scenes;

      expect(lost).toMatchObject({
        scene: 'A lost answer',
        client: [expect.any(String), expect.stringContaining('the identical')],
      });
      expect(tabs).toMatchObject({
        scene: 'Two tabs',
        client: [expect.any(String), expect.stringContaining('the identical')],
      });
      expect(theft).toMatchObject({
        scene: 'A theft',
        client: [expect.any(String), 'after the thief, its next refresh: 401, reauthenticate'],
        thief: ['presented a copy of an older token: 401, reauthenticate'],
      });
      expect(theft.trail).toEqual(expect.arrayContaining(['auth.token.reuse_detected.v1', 'auth.session.revoked.v1']));
      expect(cutOff).toMatchObject({ client: [expect.any(String), 'the next refresh: 401, reauthenticate'] });
      for (const { trail, picture } of json.scenes) {
        const [url, sessionId] = picture.split('/console/#/sessions/');
        expect(url).toBe(app.url);
        expect(await app.query('SELECT type FROM auth_events WHERE session_id = $1', [sessionId])).not.toEqual([]);
        expect(trail[0]).toBe('auth.login.attempted.v1');
      }
    });

    it('signs its administrator out again', async () => {
      await ratchet(['drill', '--url', app.url], {});
      const [admin] = await app.query('SELECT id FROM users WHERE email = $1', [DEMO_ACCOUNTS[0].email]);
      const live = await app.query('SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL', [admin.id]);
      expect(live).toEqual([]);
    });
  });

  it('touches no instance whose demo administrator cannot sign in', async () => {
    const app = await startTestApplication();
    try {
      const { code, stdout, stderr } = await ratchet(['drill', '--url', app.url], {});
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(/^ratchet: \S+ is no development instance: [^\n]+\n$/);
      expect(await app.query(`SELECT email FROM users WHERE email LIKE 'drill-%'`)).toEqual([]);
    } finally {
      await app.close();
    }
  });

  it('says that nothing answers, and what an address must be', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    expect(await ratchet(['drill', '--url', url], {})).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/^ratchet: http:\S+ does not answer: [^\n]+\n$/),
    });
    for (const bad of ['nowhere', 'ftp://127.0.0.1', ''])
      expect(await ratchet(['drill', '--url', bad], {})).toMatchObject({ code: 2, stdout: '' });
  });
});
