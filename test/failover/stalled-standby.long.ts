import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { startTestApplication } from '../support/app/test-application';
import { until } from '../support/until';
import { describeWithPair, Pair } from './pair';

const POOL = 10;
/** More than the pool, so that what is given up and stays would show. */
const CONNECTION_LIMIT = 40;
/** Each gives up all connections of the pool once. */
const ROUNDS = 2;

describeWithPair('a synchronous standby that stalls', () => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await Pair.start();
  });
  afterAll(() => pair.remove());

  const urlAs = (role: string): string => {
    const url = new URL(pair.url);
    [url.username, url.password] = [role, role];
    return url.href;
  };
  const backends = async (): Promise<number> =>
    Number(await pair.primary.ask(`SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'`));

  // Seen red without the cancel request: each round left busy backends behind.
  it('costs no more connections than the pool has, keeps nobody else out, and after its return no client is signed out', async () => {
    for (const role of ['app', 'other']) await pair.primary.ask(`CREATE ROLE ${role} LOGIN PASSWORD '${role}'`);
    await pair.primary.ask(`ALTER ROLE app CONNECTION LIMIT ${CONNECTION_LIMIT}`);
    await pair.primary.ask('GRANT ALL ON SCHEMA ratchet TO app');
    await pair.primary.ask('GRANT ALL ON ALL TABLES IN SCHEMA ratchet TO app');
    await pair.primary.ask('GRANT ALL ON ALL SEQUENCES IN SCHEMA ratchet TO app');
    const application = await startTestApplication({
      database: { url: urlAs('app'), connect: () => Promise.reject(new Error()), close: () => Promise.resolve() },
      env: { DATABASE_POOL_SIZE: String(POOL), REVOCATION_NOTIFY: 'none' },
    });
    try {
      const clients: { refreshToken: string; retryKey: string; statuses: Set<number> }[] = [];
      for (let count = 0; count < 2 * POOL; count++) {
        const { refreshToken } = (await application.logIn()).body;
        clients.push({ refreshToken, retryKey: randomBytes(16).toString('hex'), statuses: new Set<number>() });
      }
      await pair.primary.ask(`ALTER SYSTEM SET synchronous_standby_names = '*'`);
      await pair.primary.ask('SELECT pg_reload_conf()');
      await until(async () => (await pair.primary.ask('SELECT sync_state FROM pg_stat_replication')) === 'sync');

      await pair.lose(async () => {
        for (let round = 0; round < ROUNDS; round++) {
          await Promise.all(
            clients.map(async ({ refreshToken, retryKey, statuses }) => {
              statuses.add((await application.refresh(refreshToken, retryKey)).status);
            }),
          );
          // A backend that was cancelled ends when it has time; one that was only left waits for the standby.
          await until(async () => (await backends()) <= POOL);
        }
        for (const { statuses } of clients) expect([...statuses]).toEqual([503]);
        const other = new Client({ connectionString: urlAs('other') });
        await other.connect();
        expect((await other.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
        await other.end();
      });

      await pair.resume();
      for (const { refreshToken, retryKey } of clients)
        expect((await application.refresh(refreshToken, retryKey)).status).toBe(200);
      expect((await application.get('/health/ready')).status).toBe(200);
    } finally {
      await pair.resume();
      await application.close();
    }
  }, 180_000);
});
