import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { buildIfStale, spawnApplication } from '../support/app/child-application';
import { startTestApplication } from '../support/app/test-application';
import { freshDatabase } from '../support/database/test-database';

const KEYS = {
  REVOCATION_NOTIFY: 'none',
  ACCESS_TOKEN_KEYS: `test:${Buffer.alloc(32, 1).toString('base64')}`,
  REFRESH_TOKEN_KEYS: `0:${Buffer.alloc(32, 'r').toString('base64')}`,
};
const ROUNDS = 4;
const AT_ONCE = 8;

beforeAll(buildIfStale, 120_000);

// Seen red by what it knew: the first answers after a freeze were those of before.
it('a process that was frozen grants nothing to what was ended meanwhile, not even at its first request', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ratchet-frozen-'));
  const database = await freshDatabase();
  const awake = await startTestApplication({ database, env: KEYS });
  const env = { NODE_ENV: 'test', HOST: '127.0.0.1', LOG_LEVEL: 'warn', SWAGGER_ENABLED: 'false', ...KEYS };
  const { child, exited, listening } = spawnApplication(folder, { ...env, DATABASE_URL: database.url }, 'build');
  try {
    const url = await listening();
    /** Guarded, and refused by its body before anything is read: 400 is the guard's yes. */
    const statusOf = async (bearer: string): Promise<number> => {
      const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${bearer}` };
      const response = await fetch(`${url}/auth/password`, { method: 'POST', headers, body: '{}' });
      await response.text();
      return response.status;
    };
    const ask = (bearer: string) => Promise.all(Array.from({ length: AT_ONCE }, () => statusOf(bearer)));
    for (let round = 0; round < ROUNDS; round++) {
      const { body: session } = await awake.logIn();
      expect(new Set(await ask(session.accessToken))).toEqual(new Set([400]));
      child.kill('SIGSTOP');
      await awake.post('/auth/logout', { refreshToken: session.refreshToken });
      await delay(7000); // longer than two readings, and than one that hangs
      const answers = ask(session.accessToken); // they wait at its door
      child.kill('SIGCONT');
      expect(new Set(await answers)).toEqual(new Set([401]));
    }
  } finally {
    child.kill('SIGCONT');
    child.kill('SIGTERM');
    await exited;
    await awake.close();
    await database.close();
    await rm(folder, { recursive: true });
  }
});
