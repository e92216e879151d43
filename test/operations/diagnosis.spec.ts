import { Diagnosis } from '../../src/operations/diagnosis';
import { ratchet, settings } from '../cli/ratchet';
import { asAdmin } from '../http/support/administration';
import { newSession, onPostgres } from '../ports/adapters';
import { type Json, startTestApplication, type TestApplication } from '../support/app/test-application';
import { testDatabase, type TestDatabase } from '../support/database/test-database';

const namesOf = (checks: readonly Json[]) => checks.map(({ check }) => check);

describe('What a running application reports of itself', () => {
  let database: TestDatabase;
  let app: TestApplication;
  beforeAll(async () => {
    database = await testDatabase();
    app = await startTestApplication({ database });
  });
  afterAll(async () => {
    await app.close();
    await database.close();
  });

  const diagnosis = async () => (await asAdmin(app, 'GET', '/admin/doctor')).body;
  const found = async (name: string) => (await diagnosis()).checks.find(({ check }: Json) => check === name);

  // Seen red without the checks of the settings.
  it('has the lines of `ratchet doctor`, in its order', async () => {
    const { json } = await ratchet(['doctor', '--json'], settings(database.url));
    const { healthy, checks } = await diagnosis();
    expect(namesOf(json.checks).length).toBeGreaterThan(10);
    expect(namesOf(checks)).toEqual(namesOf(json.checks));
    expect(healthy).toBe(true);
    const line = (all: Json[], name: string) => all.find(({ check }) => check === name);
    for (const same of ['database', 'pooler', 'standbys', 'migrations', 'tables', 'redis', 'audit trail'])
      expect(line(checks, same)).toEqual(line(json.checks, same));
    expect(line(checks, 'access keys').message).toBe('test (HS256) signs, of unknown age');
    expect(line(checks, 'application').message).toBe('this configuration has started it');
  });

  it('is not healthy where a check fails, and the answer is the report all the same', async () => {
    const { sessions } = onPostgres(await database.connect(1));
    const session = newSession({ keyId: 7 });
    await sessions.open(session);
    const { status, body } = await asAdmin(app, 'GET', '/admin/doctor');
    expect(status).toBe(200);
    expect(body.healthy).toBe(false);
    expect(await found('refresh keys')).toMatchObject({
      status: 'fail',
      message: 'the ring lacks 7 (1 live sessions): these sessions cannot be refreshed',
    });
    await app.query('DELETE FROM sessions WHERE id = $1', [session.id]);
    expect((await diagnosis()).healthy).toBe(true);
  });

  it('has a failed line for a check that throws, and goes on', async () => {
    await app.query('ALTER TABLE sessions RENAME COLUMN key_id TO key_of');
    try {
      const checks = await app.app.get(Diagnosis, { strict: false }).checks();
      expect(checks.find(({ check }) => check === 'refresh keys')).toMatchObject({ status: 'fail' });
      expect(namesOf(checks).at(-1)).toBe('audit trail');
    } finally {
      await app.query('ALTER TABLE sessions RENAME COLUMN key_of TO key_id');
    }
  });

  // Seen red with an answer for each.
  it('is one answer for those who ask at the same time, and a new one after that', async () => {
    const own = app.app.get(Diagnosis, { strict: false });
    const first = own.checks();
    expect(own.checks()).toBe(first);
    await first;
    const next = own.checks();
    expect(next).not.toBe(first);
    await next;
  });
});
