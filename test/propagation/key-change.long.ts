import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newAccessTokenKey } from '../../src/new-keys';
import { buildIfStale, spawnApplication } from '../support/app/child-application';
import { freshDatabase, type TestDatabase } from '../support/database/test-database';
import { until } from '../support/until';

const CLIENTS = 8;
const SETTINGS = {
  NODE_ENV: 'test',
  HOST: '127.0.0.1',
  PORT: '0',
  BCRYPT_COST: '4',
  LOG_LEVEL: 'warn',
  SWAGGER_ENABLED: 'false',
  MIGRATE_ON_START: 'false',
  LIMIT_LOGIN_PER_IP: '0',
  LIMIT_REGISTER_PER_IP: '0',
  LIMIT_REFRESH_PER_USER: '0',
  LIMIT_REFRESH_PER_SESSION: '0',
  REFRESH_TOKEN_KEYS: `0:${randomBytes(32).toString('base64')}`,
};
const HS256 = `hs:${newAccessTokenKey('HS256')}`;
const ES256 = `es:${newAccessTokenKey('ES256')}`;

interface Instance {
  readonly url: string;
  stop(): Promise<number | null>;
}

interface Answered {
  readonly status: number;
  readonly body: Record<string, string>;
}

describe('the change of the signing key in two deployments, under load', () => {
  let folder: string;
  let database: TestDatabase;
  /** In service; a deployment replaces one after the other. */
  const inService: Instance[] = [];
  const refused: string[] = [];
  const rounds = Array.from({ length: CLIENTS }, () => 0);
  const signedBy = new Set<string>();
  const over = new AbortController();
  let clients: Promise<unknown>;

  beforeAll(async () => {
    buildIfStale();
    folder = await mkdtemp(join(tmpdir(), 'ratchet-keys-'));
    database = await freshDatabase();
    inService.push(...(await Promise.all([start(HS256), start(HS256)])));
    clients = Promise.all(rounds.map((_, number) => refreshUntilOver(number)));
  }, 120_000);
  afterAll(async () => {
    over.abort();
    await clients;
    await Promise.all(inService.map((instance) => instance.stop()));
    await database.close();
    await rm(folder, { recursive: true });
  });

  async function start(ring: string): Promise<Instance> {
    const settings = { DATABASE_URL: database.url, ...SETTINGS, ACCESS_TOKEN_KEYS: ring };
    const { child, exited, listening } = spawnApplication(folder, settings, 'build');
    return {
      url: await listening(),
      stop: () => {
        child.kill('SIGTERM');
        return exited;
      },
    };
  }

  async function deploy(ring: string): Promise<void> {
    for (let place = 0; place < inService.length; place++) {
      const next = await start(ring);
      const [before] = inService.splice(place, 1, next);
      await everyClient();
      expect(await before?.stop()).toBe(0);
    }
    signedBy.clear();
    await everyClient();
  }

  /** Until every client has been through two more rounds, on instances chosen by chance. */
  async function everyClient(): Promise<void> {
    const before = [...rounds];
    await until(() => refused.length > 0 || rounds.every((count, number) => count >= (before[number] ?? 0) + 2));
  }

  /** By the client's rule: what is lost, 429 or 503 is sent again as it is, elsewhere. */
  async function send(path: string, init: RequestInit): Promise<Answered> {
    for (;;) {
      const { url } = inService[Math.floor(Math.random() * inService.length)] as Instance;
      const answer = await fetch(url + path, init).catch(() => null);
      if (answer === null || answer.status === 503 || answer.status === 429) continue;
      return { status: answer.status, body: (await answer.json()) as Record<string, string> };
    }
  }
  const post = (path: string, body: object, headers: Readonly<Record<string, string>> = {}) =>
    send(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });

  async function refreshUntilOver(number: number): Promise<void> {
    const account = { email: `${randomUUID()}@example.com`, password: 'a long enough passphrase' };
    await post('/auth/register', account);
    let { body: pair } = await post('/auth/login', account);
    while (!over.signal.aborted) {
      const [header = ''] = (pair.accessToken ?? '').split('.');
      signedBy.add(JSON.parse(Buffer.from(header, 'base64url').toString()).alg);
      const me = await send('/auth/me', { headers: { Authorization: `Bearer ${pair.accessToken}` } });
      if (me.status !== 200) refused.push(`the guard: ${me.status}`);
      const refreshed = await post(
        '/auth/refresh',
        { refreshToken: pair.refreshToken },
        { 'Idempotency-Key': randomUUID() },
      );
      if (refreshed.status !== 200) {
        refused.push(`a refresh: ${refreshed.status}`);
        return;
      }
      pair = refreshed.body;
      rounds[number] = (rounds[number] ?? 0) + 1;
    }
  }

  // Seen red with one deployment that puts the new key in front at once: what it signs, the other instance refuses.
  it.each([
    ['HS256 to ES256', [`${HS256},${ES256}`, `${ES256},${HS256}`], 'ES256'],
    ['ES256 back to HS256', [`${HS256},${ES256}`], 'HS256'],
  ])(
    '%s: no client is signed out, and no access token is refused by either instance',
    async (_, deployments, algorithm) => {
      for (const ring of deployments) await deploy(ring);
      expect(refused).toEqual([]);
      expect([...signedBy]).toEqual([algorithm]);
    },
    300_000,
  );
});
