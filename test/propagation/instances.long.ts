import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newAccessTokenKey } from '../../src/new-keys';
import { buildIfStale, spawnApplication } from '../support/app/child-application';
import { freshDatabase, type TestDatabase } from '../support/database/test-database';
import { until } from '../support/until';

const ADMIN = { email: 'admin@example.com', password: 'a long admin passphrase' };
const SETTINGS = {
  NODE_ENV: 'test',
  HOST: '127.0.0.1',
  PORT: '0',
  BCRYPT_COST: '4',
  LOG_LEVEL: 'warn',
  SWAGGER_ENABLED: 'false',
  MIGRATE_ON_START: 'false',
  LIMIT_LOGIN_PER_ACCOUNT: '0',
  LIMIT_LOGIN_ANYWHERE: '0',
  LIMIT_LOGIN_PER_IP: '0',
  LIMIT_REGISTER_PER_IP: '0',
  BOOTSTRAP_ADMIN_EMAIL: ADMIN.email,
  BOOTSTRAP_ADMIN_PASSWORD: ADMIN.password,
  ACCESS_TOKEN_KEYS: `test:${newAccessTokenKey('HS256')}`,
  REFRESH_TOKEN_KEYS: `0:${randomBytes(32).toString('base64')}`,
};

interface Instance {
  readonly url: string;
  stop(): Promise<number | null>;
}

interface Subject {
  readonly id: string;
  readonly token: string;
  readonly refreshToken: string;
}

describe('several instances of the built application on one database', () => {
  let folder: string;
  let database: TestDatabase;
  /** Where the changes are made; both it and `hinted` are told of commits. */
  let changed: Instance;
  let hinted: Instance;
  /** Without notifications, for its own changes neither. */
  let polling: Instance;
  const instances: Instance[] = [];
  const times: string[] = [];

  beforeAll(async () => {
    buildIfStale();
    folder = await mkdtemp(join(tmpdir(), 'ratchet-instances-'));
    database = await freshDatabase();
    [changed, hinted, polling] = await Promise.all([start(), start(), start({ REVOCATION_NOTIFY: 'none' })]);
  }, 120_000);
  afterAll(async () => {
    const codes = await Promise.all(instances.map((instance) => instance.stop()));
    await database.close();
    await rm(folder, { recursive: true });
    process.stdout.write(
      `From the answer to the refusal by another instance, with and without notifications:\n${times.join('\n')}\n`,
    );
    expect(codes).toEqual([0, 0, 0]);
  });

  async function start(env: Readonly<Record<string, string>> = {}): Promise<Instance> {
    const settings = { DATABASE_URL: database.url, ...SETTINGS, ...env };
    const { child, exited, listening } = spawnApplication(folder, settings, 'build');
    const instance = {
      url: await listening(),
      stop: () => {
        child.kill('SIGTERM');
        return exited;
      },
    };
    instances.push(instance);
    return instance;
  }

  async function send(to: Instance, method: string, path: string, token?: string, body?: object) {
    const response = await fetch(to.url + path, {
      method,
      headers: { 'Content-Type': 'application/json', ...(token !== undefined && { Authorization: `Bearer ${token}` }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : JSON.parse(text) };
  }

  /** Guarded, and refused by its body before anything is read: 400 is the guard's yes. */
  const isAdmitted = async (at: Instance, token: string): Promise<boolean> => {
    const { status } = await send(at, 'POST', '/auth/password', token, {});
    if (status !== 400) expect(status).toBe(401);
    return status === 400;
  };

  async function logIn(account: { email: string; password: string }) {
    const { status, body } = await send(changed, 'POST', '/auth/login', undefined, account);
    expect(status).toBe(200);
    return body;
  }
  async function asAdmin(method: string, path: string, body: object, at = changed): Promise<void> {
    const { accessToken } = await logIn(ADMIN);
    const { status } = await send(at, method, path, accessToken, body);
    expect([200, 201]).toContain(status);
  }
  async function subject(): Promise<Subject> {
    const account = { email: `${randomBytes(8).toString('hex')}@example.com`, password: PASSWORD };
    const { body } = await send(changed, 'POST', '/auth/register', undefined, account);
    await asAdmin('PATCH', `/admin/users/${body.id}`, { roles: ['user', 'editor'] });
    const { accessToken, refreshToken } = await logIn(account);
    return { id: body.id, token: accessToken, refreshToken };
  }
  const PASSWORD = 'a long enough passphrase';

  const changes: readonly [string, (at: Instance, of: Subject) => Promise<unknown>][] = [
    ['a log-out', (at, { refreshToken }) => send(at, 'POST', '/auth/logout', undefined, { refreshToken })],
    ['a log-out everywhere', (at, { token }) => send(at, 'POST', '/auth/logout-all', token)],
    [
      'a password change',
      (at, { token }) =>
        send(at, 'POST', '/auth/password', token, { currentPassword: PASSWORD, newPassword: `${PASSWORD}, renewed` }),
    ],
    ['a deactivation', (at, { id }) => asAdmin('PATCH', `/admin/users/${id}`, { isActive: false }, at)],
    ['the removal of a role', (at, { id }) => asAdmin('PATCH', `/admin/users/${id}`, { roles: ['user'] }, at)],
    ['a rotation of the user', (at, { id }) => asAdmin('POST', `/admin/users/${id}/rotations`, { reason: 'test' }, at)],
    ['a rotation of all', (at) => asAdmin('POST', '/admin/security/rotations', { reason: 'test' }, at)],
  ];

  it.each(changes)(
    '%s is refused at once where it was made, within a second by who is told, within five by who only looks',
    async (name, change) => {
      const user = await subject();
      for (const instance of instances) expect(await isAdmitted(instance, user.token)).toBe(true);
      await change(changed, user);
      const answeredAt = performance.now();
      const refusedBy = async (instance: Instance): Promise<number> => {
        await until(async () => !(await isAdmitted(instance, user.token)));
        return performance.now() - answeredAt;
      };
      const [here, told, looking] = await Promise.all([
        isAdmitted(changed, user.token),
        refusedBy(hinted),
        refusedBy(polling),
      ]);
      times.push(`  ${name.padEnd(24)} ${told.toFixed(0).padStart(5)} ms ${looking.toFixed(0).padStart(5)} ms`);
      expect(here).toBe(false);
      expect(told).toBeLessThan(1000);
      expect(looking).toBeLessThan(5000);
    },
  );

  it.each(changes)(
    '%s is found by the others within five seconds when the instance that made it tells nobody',
    async (_, change) => {
      const user = await subject();
      await until(() => isAdmitted(polling, user.token)); // it may still have to learn of the rotation that came before
      await change(polling, user);
      const answeredAt = performance.now();
      expect(await isAdmitted(polling, user.token)).toBe(false);
      await until(async () => !(await isAdmitted(changed, user.token)));
      expect(performance.now() - answeredAt).toBeLessThan(5000);
    },
  );
});
