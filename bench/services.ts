import { randomBytes, randomUUID } from 'node:crypto';
import { newAccessTokenKey } from '../src/new-keys';
import type { Section } from './report';
import type { Setting } from './setting';
import { round, whole } from './support/figures';
import { startBalancer } from './support/balancer';
import { type ServerProcess, startServer } from './support/server-process';
import { ratchet, services as servicesProcess } from './support/servers';

const SERVICES = 20;
const SERVICE_PROCESSES = 2;
const INSTANCES = 2;
const POLL = '%ratchet: revocation poll%';
const ADMIN = { email: 'admin@example.com', password: 'a long admin passphrase' };
const PASSWORD = 'a long enough passphrase';
const ISSUER = 'https://bench.example';

type Send = (method: string, path: string, body?: object, bearer?: string) => Promise<Record<string, string>>;

interface Subject {
  readonly id: string;
  readonly session: Readonly<Record<string, string>>;
}

/** Prepares an ending, and returns the request that commits it. */
type Ending = (send: Send, subject: Subject) => Promise<() => Promise<unknown>>;

const asAdmin = async (send: Send): Promise<string> => (await send('POST', '/auth/login', ADMIN)).accessToken ?? '';

const ENDINGS: Readonly<Record<string, Ending>> = {
  'log-out':
    async (send, { session }) =>
    () =>
      send('POST', '/auth/logout', { refreshToken: session.refreshToken }),
  'log-out everywhere':
    async (send, { session }) =>
    () =>
      send('POST', '/auth/logout-all', undefined, session.accessToken),
  'end of one session':
    async (send, { session }) =>
    () =>
      send('DELETE', `/auth/sessions/${session.sessionId}`, undefined, session.accessToken),
  'password change':
    async (send, { session }) =>
    () =>
      send(
        'POST',
        '/auth/password',
        { currentPassword: PASSWORD, newPassword: `${PASSWORD}, renewed` },
        session.accessToken,
      ),
  reuse: async (send, { session }) => {
    const { refreshToken } = await send('POST', '/auth/refresh', { refreshToken: session.refreshToken });
    await send('POST', '/auth/refresh', { refreshToken });
    return () => send('POST', '/auth/refresh', { refreshToken: session.refreshToken });
  },
  deactivation: async (send, { id }) => {
    const admin = await asAdmin(send);
    return () => send('PATCH', `/admin/users/${id}`, { isActive: false }, admin);
  },
  'removal of a role': async (send, { id }) => {
    const admin = await asAdmin(send);
    return () => send('PATCH', `/admin/users/${id}`, { roles: [] }, admin);
  },
  "administrator's end": async (send, { id }) => {
    const admin = await asAdmin(send);
    return () => send('DELETE', `/admin/users/${id}/sessions`, undefined, admin);
  },
  'rotation of the user': async (send, { id }) => {
    const admin = await asAdmin(send);
    return () => send('POST', `/admin/users/${id}/rotations`, { reason: 'bench' }, admin);
  },
  'rotation of all': async (send) => {
    const admin = await asAdmin(send);
    return () => send('POST', '/admin/security/rotations', { reason: 'bench' }, admin);
  },
};

/** From a commit to the refusal by every one of 20 services behind a balancer, which follow two instances. */
export async function services({ postgres, tell }: Setting, count: number): Promise<Section> {
  const database = await postgres.create('services', 'migrated');
  const secret = randomBytes(32).toString('hex');
  const env = {
    ACCESS_TOKEN_KEYS: `bench:${newAccessTokenKey('ES256')}`,
    ACCESS_TOKEN_ISSUER: ISSUER,
    RESOURCE_SERVERS: `bench:${secret}`,
    REGISTRATION_ENABLED: 'true',
    BCRYPT_COST: '10',
    BOOTSTRAP_ADMIN_EMAIL: ADMIN.email,
    BOOTSTRAP_ADMIN_PASSWORD: ADMIN.password,
  };
  const instances: ServerProcess[] = [];
  for (let at = 1; at <= INSTANCES; at++)
    instances.push(await startServer(ratchet(postgres.folder, database.url, env, `services-instance-${at}`)));
  const balancer = await startBalancer(instances.map(({ url }) => url));
  const followers = await Promise.all(
    Array.from({ length: SERVICE_PROCESSES }, (_, at) =>
      startServer(
        servicesProcess(postgres.folder, `services-${at + 1}`, SERVICES / SERVICE_PROCESSES, {
          FEED_URL: `${balancer.url}/auth/revocations`,
          JWKS_URL: `${balancer.url}/.well-known/jwks.json`,
          ISSUER,
          SECRET: secret,
        }),
      ),
    ),
  );

  let turn = 0;
  const send: Send = async (method, path, body, bearer) => {
    const { url = '' } = instances[turn++ % INSTANCES] ?? {};
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...(bearer !== undefined && { Authorization: `Bearer ${bearer}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return text === '' ? {} : (JSON.parse(text) as Record<string, string>);
  };
  const ask = async (what: 'accept' | 'refuse', token: string): Promise<(string | null)[]> => {
    const answers = followers.map(async ({ url }) => {
      const response = await fetch(`${url}/${what}`, { method: 'POST', body: token });
      return (await response.json()) as (string | null)[];
    });
    return (await Promise.all(answers)).flat();
  };

  const statementsBefore = await database.statements(POLL);
  const startedAt = performance.now();
  const found = [];
  for (const [name, ending] of Object.entries(ENDINGS)) {
    tell(`${name}, ${count} times`);
    const times: number[] = [];
    let missed = 0;
    for (let i = 0; i < count; i++) {
      const account = { email: `${randomUUID()}@example.com`, password: PASSWORD };
      const { id = '' } = await send('POST', '/auth/register', account);
      const session = await send('POST', '/auth/login', account);
      const { accessToken = '' } = session;
      const end = await ending(send, { id, session });
      if ((await ask('accept', accessToken)).includes(null))
        throw new Error(`${name}: a service did not accept the token to begin with`);
      const refused = ask('refuse', accessToken);
      const sentAt = process.hrtime.bigint();
      await end();
      for (const moment of await refused) {
        if (moment === null) missed++;
        else times.push(Number(BigInt(moment) - sentAt) / 1e6);
      }
    }
    found.push({ name, times: times.sort((one, other) => one - other), missed });
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const polls = (await database.statements(POLL)) - statementsBefore;
  for (const server of [...followers, ...instances]) await server.stop();
  await balancer.stop();

  const all = found.flatMap(({ times }) => times).sort((one, other) => one - other);
  const revocations = count * found.length;
  return {
    name: 'services',
    command: `npm run bench -- --services ${count}`,
    budget: [
      {
        figure: `request of a revocation → refused at ${SERVICES} services, p99`,
        value: quantile(all, 0.99),
        must: 1000,
        aim: 300,
        better: 'lower',
        digits: 0,
        unit: 'ms',
      },
      {
        figure: 'revocations that a service missed',
        value: found.reduce((sum, { missed }) => sum + missed, 0),
        must: 0,
        aim: 0,
        better: 'equal',
        digits: 0,
      },
    ],
    tables: [
      {
        title: `From the request to the refusal by each of ${SERVICES} services`,
        columns: ['ending', 'revocations', 'p50 ms', 'p99 ms', 'slowest ms', 'missed'],
        rows: found.map(({ name, times, missed }) => [
          name,
          whole(count),
          round(quantile(times, 0.5), 0),
          round(quantile(times, 0.99), 0),
          round(times.at(-1) ?? NaN, 0),
          whole(missed),
        ]),
      },
      {
        title: `What ${INSTANCES} instances have asked the database for it`,
        columns: ['revocations', 'services', 'readings', 'readings per revocation', 'readings per instance and second'],
        rows: [
          [
            whole(revocations),
            whole(SERVICES),
            whole(polls),
            round(polls / revocations, 2),
            round(polls / INSTANCES / seconds, 2),
          ],
        ],
      },
    ],
    notes: [
      'A time begins when the request that revokes is sent, so it includes the work of that request and its commit. The readings are those of the guard: a service adds none.',
    ],
  };
}

const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
