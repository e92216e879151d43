import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { hash } from 'bcrypt';
import { createClient } from 'redis';
import { AUTH_DEFAULTS, type AuthOptions, type Limit } from '../src';
import { accessTokenKeyOf } from '../src/auth/domain/access-token-key';
import { RefreshTokenKeyRing } from '../src/auth/domain/refresh-token';
import { JwtAccessTokenSigner } from '../src/auth/infrastructure/jwt/jwt-access-token.signer';
import { type RedisServer, startRedis } from '../test/support/redis/redis-server';
import type { BudgetLine, Section, Table } from './report';
import { inRounds, type Setting } from './setting';
import { median, medianOf, megabytes, ratio, round, type Sample, throughput, whole } from './support/figures';
import type { JobResult, Workload } from './support/jobs';
import { measure, type Target } from './support/measure';
import { newDevice } from './support/proofs';
import type { Database } from './support/postgres';
import { type ServerCommand, type ServerProcess, startServer } from './support/server-process';
import { ACCESS_KEYS, floor, floorAtOnce, host, KEYS, plainTypeOrm, ratchet } from './support/servers';
import { seedSessions, sessionIdOf, userIdOf } from './support/sessions';

const CLIENTS = [16, 64, 1] as const;
const GUARD_CLIENTS = 64;
const BEARERS = 1024;
/** More than the guard remembers: each one it meets is new to it. */
const STRANGERS = 24_000;
/** Those of a refresh at their defaults; a single address would meet the others. */
const { refreshPerSession, refreshPerUser } = AUTH_DEFAULTS.limits;
const textOf = (limit: Limit | null) => (limit === null ? '0' : `${limit.points}/${limit.seconds}s`);
const LIMITS = {
  LIMIT_REFRESH_PER_SESSION: textOf(refreshPerSession),
  LIMIT_REFRESH_PER_USER: textOf(refreshPerUser),
};
const COST = 12;
const PASSWORD = 'a long enough passphrase';
const EMAILS = Array.from({ length: 64 }, (_, number) => `user${number}@example.com`);

interface Measured extends Target {
  readonly samples: Map<number, Sample[]>;
}

/** The floors, the product and the same on plain TypeORM; sign-ins beside it; junk; the guard; starts. */
export async function core(setting: Setting): Promise<Section> {
  const parts: Part[] = [];
  for (const part of [refreshes, besideLogins, junk, guarded, starts]) parts.push(await part(setting));
  return {
    name: 'core',
    command: 'npm run bench',
    budget: parts.flatMap(({ budget }) => budget),
    tables: parts.flatMap(({ tables }) => tables),
  };
}

type Part = Pick<Section, 'budget' | 'tables'>;

async function refreshes(setting: Setting): Promise<Part> {
  const { postgres, rounds, sessions, tell } = setting;
  const refresh: Workload = { kind: 'refresh', root: KEYS.refreshRoot, sessions };
  const target = async (who: string, name: string, command: typeof ratchet, workload: Workload, env = {}) => {
    const database = await postgres.create(name, 'migrated');
    await seedSessions(database.client, sessions);
    const server = await startServer(command(postgres.folder, database.url, env, name));
    return { who, server, database, workload, samples: new Map<number, Sample[]>() };
  };
  tell('seeding and starting');
  const product = await target('Ratchet', 'ratchet', ratchet, refresh);
  const plainly: Workload = { kind: 'refresh', sessions };
  const bottom = await target('floor: Fastify and pg by hand, no audit', 'floor', floor, plainly);
  const atOnce = await target('the floor in one statement', 'floor_at_once', floorAtOnce, plainly);
  const plain = await target('Ratchet on findOne() and save()', 'typeorm', plainTypeOrm, refresh);
  const logging = await target('Ratchet, LOG_LEVEL=info', 'logging', ratchet, refresh, { LOG_LEVEL: 'info' });
  const limited = await target('Ratchet, limits on', 'limited', ratchet, refresh, LIMITS);
  const es256 = await target('Ratchet, ES256', 'es256', ratchet, refresh, { ACCESS_TOKEN_KEYS: ACCESS_KEYS.ES256 });
  const device = newDevice();
  const bound = await target('Ratchet, bound sessions (DPoP)', 'bound', ratchet, { ...refresh, device: device.key });
  const binding = JSON.stringify({ kind: 'dpop', jkt: device.jkt });
  await bound.database.client.query('UPDATE sessions SET binding = $1', [binding]);
  await bound.database.client.query('VACUUM FULL ANALYZE sessions');
  const targets: Measured[] = [bottom, atOnce, product, logging, limited, es256, bound, plain];

  for (const one of targets) await measure(setting, one, 16);
  let rss = 0;
  for (const clients of CLIENTS) {
    await inRounds(rounds, targets, async (one, turn) => {
      tell(`round ${turn + 1} of ${rounds}, ${clients} clients: ${one.who}`);
      await sample(setting, one, clients);
      if (one === product && clients === 64) rss = Math.max(rss, product.server.rss());
    });
  }
  for (const { server } of targets) await server.stop();

  const of = ({ samples }: Measured, clients: number) => samples.get(clients) ?? [];
  const speed = (one: Measured, clients: number) => throughput(of(one, clients));
  const each = (one: Measured, clients: number, key: 'p50' | 'p99' | 'cpuMicros' | 'postgresMicros') =>
    of(one, clients).map((one) => one[key]);
  const { hotShare } = await product.database.table('sessions');
  const budget: BudgetLine[] = [
    {
      figure: 'refresh/s at 16 clients ÷ floor',
      value: ratio(speed(product, 16), speed(bottom, 16)),
      must: 0.95,
      aim: 1.5,
      better: 'higher',
    },
    {
      figure: 'refresh/s at 64 clients ÷ floor',
      value: ratio(speed(product, 64), speed(bottom, 64)),
      must: 1.3,
      aim: 1.8,
      better: 'higher',
    },
    {
      figure: 'refresh/s at 64 clients ÷ floor in one statement',
      value: ratio(speed(product, 64), speed(atOnce, 64)),
      must: 0.95,
      aim: 1.3,
      better: 'higher',
    },
    {
      figure: 'refresh p99 at 16 clients ÷ floor',
      value: ratio(each(product, 16, 'p99'), each(bottom, 16, 'p99')),
      must: 1.5,
      aim: 1,
      better: 'lower',
    },
    {
      figure: 'refresh p50 at one client ÷ floor',
      value: ratio(each(product, 1, 'p50'), each(bottom, 1, 'p50')),
      must: 1.5,
      aim: 1.3,
      better: 'lower',
    },
    {
      figure: 'CPU of the server per refresh at 64 clients ÷ floor',
      value: ratio(each(product, 64, 'cpuMicros'), each(bottom, 64, 'cpuMicros')),
      must: 0.8,
      aim: 0.6,
      better: 'lower',
    },
    {
      figure: 'CPU of PostgreSQL per refresh at 64 clients ÷ floor',
      value: ratio(each(product, 64, 'postgresMicros'), each(bottom, 64, 'postgresMicros')),
      must: 0.6,
      aim: 0.4,
      better: 'lower',
    },
    {
      figure: 'refresh/s at 16 clients, LOG_LEVEL=info ÷ warn',
      value: ratio(speed(logging, 16), speed(product, 16)),
      must: 0.85,
      aim: 0.95,
      better: 'higher',
    },
    {
      figure: 'HOT share of the rotations',
      value: hotShare * 100,
      must: 95,
      aim: 99,
      better: 'higher',
      digits: 1,
      unit: '%',
    },
    { figure: 'RSS after the 64-client load', value: rss, must: 200, aim: 150, better: 'lower', digits: 0, unit: 'MB' },
  ];
  const rows = CLIENTS.flatMap((clients) =>
    targets.map((one) => {
      const samples = of(one, clients);
      return [
        one.who,
        String(clients),
        whole(median(speed(one, clients))),
        round(ratio(speed(one, clients), speed(bottom, clients)), 2),
        round(medianOf(samples, 'p50'), 2),
        round(medianOf(samples, 'p99'), 2),
        round(medianOf(samples, 'statements'), 2),
        whole(medianOf(samples, 'cpuMicros')),
        whole(medianOf(samples, 'postgresMicros')),
        whole(medianOf(samples, 'writersMicros')),
      ];
    }),
  );
  return {
    budget,
    tables: [
      {
        title: 'Refreshes',
        columns: [
          'who',
          'clients',
          'requests/s',
          '÷ floor',
          'p50 ms',
          'p99 ms',
          'statements',
          'CPU µs',
          'PostgreSQL µs',
          'writers µs',
        ],
        rows,
      },
      await tableSizes(product.database),
    ],
  };
}

/** Refreshes while as many clients sign in as fill the queue of the password hasher, and without them. */
async function besideLogins({ postgres, load, rounds, seconds, sessions, tell }: Setting): Promise<Part> {
  tell('seeding and starting');
  const database = await postgres.create('logins', 'migrated');
  await seedSessions(database.client, sessions);
  await database.client.query(`UPDATE users SET password_hash = $1 WHERE email = ANY($2)`, [
    await hash(PASSWORD, COST),
    EMAILS,
  ]);
  const server = await startServer(ratchet(postgres.folder, database.url, { BCRYPT_COST: String(COST) }, 'logins'));
  const workload: Workload = { kind: 'refresh', root: KEYS.refreshRoot, sessions };
  const refresh = () => load.run({ target: database.name, urls: [server.url], workload, clients: 16, seconds });
  const signIn = () =>
    load.run({
      target: 'sign-ins',
      urls: [server.url],
      workload: { kind: 'login', emails: EMAILS, password: PASSWORD },
      clients: EMAILS.length,
      seconds,
    });
  await refresh();
  const alone: JobResult[] = [];
  const beside: JobResult[] = [];
  const logins: JobResult[] = [];
  await inRounds(rounds, ['alone', 'beside'] as const, async (how, turn) => {
    tell(`round ${turn + 1} of ${rounds}, refreshes ${how === 'alone' ? 'alone' : 'beside sign-ins'}`);
    if (how === 'alone') alone.push(await refresh());
    else {
      const [refreshed, signedIn] = await Promise.all([refresh(), signIn()]);
      beside.push(refreshed);
      logins.push(signedIn);
    }
  });
  await server.stop();
  const p99 = (results: readonly JobResult[]) => results.map((one) => one.p99);
  const rowOf = (who: string, clients: number, results: readonly JobResult[]) => [
    who,
    String(clients),
    whole(median(throughput(results))),
    round(median(results.map((one) => one.p50)), 2),
    round(median(p99(results)), 2),
  ];
  return {
    budget: [
      {
        figure: `refresh p99 at 16 clients while ${EMAILS.length} sign in at cost ${COST} ÷ without`,
        value: ratio(p99(beside), p99(alone)),
        must: 4,
        aim: 2,
        better: 'lower',
      },
    ],
    tables: [
      {
        title: 'Refreshes and sign-ins',
        columns: ['who', 'clients', 'requests/s', 'p50 ms', 'p99 ms'],
        rows: [
          rowOf('refreshes', 16, alone),
          rowOf('refreshes beside the sign-ins', 16, beside),
          rowOf('the sign-ins', EMAILS.length, logins),
        ],
      },
    ],
  };
}

/** What junk costs, beside a route that refuses everything. */
async function junk(setting: Setting): Promise<Part> {
  const { postgres, rounds, tell } = setting;
  const database = await postgres.create('junk', 'migrated');
  const workload: Workload = { kind: 'junk', token: forgedToken() };
  const target = async (who: string, command: ServerCommand): Promise<Measured> => ({
    who,
    server: await startServer(command),
    database,
    workload,
    samples: new Map(),
  });
  const bare = await target('a bare POST route that refuses', host(postgres.folder, database.url, 'bare'));
  const product = await target('Ratchet, junk tokens', ratchet(postgres.folder, database.url, {}, 'junk'));
  const targets = [bare, product];
  for (const one of targets) await measure(setting, one, 16);
  const before = await database.statements('%sessions%');
  await inRounds(rounds, targets, async (one, turn) => {
    tell(`round ${turn + 1} of ${rounds}, junk: ${one.who}`);
    await sample(setting, one, 16);
  });
  const onSessions = (await database.statements('%sessions%')) - before;
  for (const { server } of targets) await server.stop();
  const of = ({ samples }: Measured) => samples.get(16) ?? [];
  const cpu = (one: Measured) => of(one).map(({ cpuMicros }) => cpuMicros);
  return {
    budget: [
      {
        figure: 'junk token: CPU ÷ the bare POST route',
        value: ratio(cpu(product), cpu(bare)),
        must: 2,
        aim: 1.5,
        better: 'lower',
      },
      { figure: 'junk token: statements on sessions', value: onSessions, must: 0, aim: 0, better: 'equal', digits: 0 },
    ],
    tables: [
      {
        title: 'Junk',
        columns: ['who', 'clients', 'requests/s', 'p50 ms', 'p99 ms', 'CPU µs'],
        rows: targets.map((one) => [
          one.who,
          '16',
          whole(median(throughput(of(one)))),
          round(medianOf(of(one), 'p50'), 2),
          round(medianOf(of(one), 'p99'), 2),
          round(medianOf(of(one), 'cpuMicros'), 1),
        ]),
      },
    ],
  };
}

async function tableSizes(database: Database): Promise<Table> {
  const names = ['sessions', 'auth_events', 'users'];
  const tables = await Promise.all(names.map((name) => database.table(name)));
  return {
    title: "Ratchet's tables afterwards",
    columns: ['table', 'rows', 'with indexes', 'bytes a row', 'updates', 'HOT'],
    rows: tables.map(({ rows, bytes, updates, hotShare }, at) => [
      names[at] ?? '',
      whole(rows),
      megabytes(bytes),
      whole(bytes / rows),
      whole(updates),
      updates === 0 ? '–' : `${round(hotShare * 100, 1)} %`,
    ]),
  };
}

async function sample(setting: Setting, target: Measured, clients: number): Promise<void> {
  const kept = target.samples.get(clients) ?? [];
  target.samples.set(clients, kept);
  kept.push(await measure(setting, target, clients));
}

/** Of the right shape, sealed with another key. */
const forgedToken = (): string => {
  const ring = new RefreshTokenKeyRing([{ id: 0, root: randomBytes(32) }]);
  return ring.seal({ keyId: 0, sessionId: sessionIdOf(0), generation: 0, secret: randomBytes(32) });
};

async function guarded(setting: Setting): Promise<Part> {
  const redis = existsSync('/usr/bin/redis-server') ? await startRedis() : null;
  try {
    return await guardedWith(setting, redis);
  } finally {
    await redis?.stop();
  }
}

async function guardedWith(setting: Setting, redis: RedisServer | null): Promise<Part> {
  const { postgres, load, rounds, seconds, tell } = setting;
  const database = await postgres.create('guarded', 'migrated');
  const [bare, guard] = await Promise.all([
    startServer(host(postgres.folder, database.url, 'bare')),
    startServer(
      host(postgres.folder, database.url, 'guarded', {
        ACCESS_TOKEN_KEYS: Object.values(ACCESS_KEYS).join(),
        ...(redis === null ? {} : { REDIS_URL: redis.url }),
      }),
    ),
  ]);
  const bearers = await accessTokens(BEARERS, 'HS256');
  const device = newDevice();
  const target = (who: string, server: ServerProcess, path: string, bearers: string[], device?: string): Measured => ({
    who,
    server,
    database,
    workload: { kind: 'get', path, bearers, ...(device !== undefined && { device }) },
    samples: new Map(),
  });
  const barely = target('the bare route', bare, '/item', bearers); // the same headers, which it does not read
  const closed = target(`the guarded route, ${whole(BEARERS)} access tokens`, guard, '/item', bearers);
  const targets = [
    barely,
    target('the same with @Public()', guard, '/open', bearers),
    closed,
    target('the same, ES256', guard, '/item', await accessTokens(BEARERS, 'ES256')),
    target(
      'the same, ES256, bound (DPOP=all)',
      guard,
      '/item',
      await accessTokens(BEARERS, 'ES256', device.jkt),
      device.key,
    ),
    target('the same, HS256, each token new', guard, '/item', await accessTokens(STRANGERS, 'HS256')),
    target('the same, ES256, each token new', guard, '/item', await accessTokens(STRANGERS, 'ES256')),
  ];
  for (const one of targets) await measure(setting, one, GUARD_CLIENTS);
  await inRounds(rounds, targets, async (one, turn) => {
    tell(`round ${turn + 1} of ${rounds}, guard: ${one.who}`);
    await sample(setting, one, GUARD_CLIENTS);
  });

  // What the process does anyway, such as looking for revocations once a second, is counted in an idle span and taken off.
  const commands = await commandCounter(redis?.url);
  const count = async (span: () => Promise<unknown>) => {
    const before = (await database.statements()) + (await commands.total());
    await span();
    return (await database.statements()) + (await commands.total()) - before;
  };
  const { workload } = closed;
  let requests = 0;
  const busy = await count(async () => {
    requests = (await load.run({ target: database.name, urls: [guard.url], workload, clients: GUARD_CLIENTS, seconds }))
      .requests;
  });
  const idle = await count(() => delay(seconds * 1000));
  commands.close();
  await Promise.all([bare.stop(), guard.stop()]);

  const speed = ({ samples }: Measured) => throughput(samples.get(GUARD_CLIENTS) ?? []);
  return {
    budget: [
      {
        figure: 'guarded GET ÷ the same bare route',
        value: ratio(speed(closed), speed(barely)),
        must: 0.55,
        aim: 0.75,
        better: 'higher',
      },
      {
        figure: `SQL ${redis === null ? '' : 'and Redis '}commands per guarded request`,
        value: Math.round((Math.max(0, busy - idle) / requests) * 100) / 100,
        must: 0,
        aim: 0,
        better: 'equal',
      },
    ],
    tables: [
      {
        title: 'A route that does nothing',
        columns: ['who', 'clients', 'requests/s', '÷ bare', 'p50 ms', 'p99 ms', 'CPU µs'],
        rows: targets.map((one) => {
          const samples = one.samples.get(GUARD_CLIENTS) ?? [];
          return [
            one.who,
            String(GUARD_CLIENTS),
            whole(median(speed(one))),
            round(ratio(speed(one), speed(barely)), 2),
            round(medianOf(samples, 'p50'), 2),
            round(medianOf(samples, 'p99'), 2),
            round(medianOf(samples, 'cpuMicros'), 1),
          ];
        }),
      },
      {
        title: 'Commands of the guarded application',
        columns: ['span', 'requests', 'SQL and Redis commands'],
        rows: [
          [`${seconds} s under load`, whole(requests), whole(busy)],
          [`${seconds} s idle`, '0', whole(idle)],
        ],
      },
    ],
  };
}

/** Access tokens of as many users and sessions. */
async function accessTokens(count: number, algorithm: keyof typeof ACCESS_KEYS, jkt?: string): Promise<string[]> {
  const [kid = '', bytes = ''] = ACCESS_KEYS[algorithm].split(':');
  const signer = new JwtAccessTokenSigner({
    accessTokenKeys: [accessTokenKeyOf(kid, Buffer.from(bytes, 'base64'))],
    accessTokenIssuer: 'ratchet',
    accessTokenAudience: 'ratchet',
  } as unknown as AuthOptions);
  const iat = Math.floor(Date.now() / 1000) - 1;
  const tokens: string[] = [];
  for (let number = 0; number < count; number++) {
    const token = await signer.sign({
      sub: userIdOf(number * 10),
      sid: sessionIdOf(number),
      jti: sessionIdOf(number),
      iat,
      exp: iat + 3600,
      roles: ['user'],
      stamps: { tokenVersion: 1, globalVersionAtIssuance: 1 },
      ...(jkt !== undefined && { jkt }),
    });
    tokens.push(token);
  }
  return tokens;
}

/** Commands that a Redis has been given so far, those of the counter itself left out; 0 without a Redis. */
async function commandCounter(url: string | undefined) {
  if (url === undefined) return { total: () => Promise.resolve(0), close: () => undefined };
  const client = createClient({ url });
  await client.connect();
  let asked = 0;
  return {
    total: async () => {
      const stats = await client.info('stats');
      return Number(/total_commands_processed:(\d+)/.exec(stats)?.[1]) - asked++;
    },
    close: () => client.destroy(),
  };
}

async function starts({ postgres, rounds, tell }: Setting): Promise<Part> {
  const database = await postgres.create('start', 'migrated');
  const { folder } = postgres;
  const commands = [
    ratchet(folder, database.url),
    host(folder, database.url, 'host'),
    host(folder, database.url, 'documented'),
    host(folder, database.url, 'guarded'),
  ];
  const times = new Map<string, number[]>(commands.map(({ name }) => [name, []]));
  await inRounds(rounds + 1, commands, async (command, turn) => {
    tell(`start ${turn} of ${rounds}: ${command.name}`);
    const server = await startServer(command);
    // The first one fills the file system's cache.
    if (turn > 0) times.get(command.name)?.push(server.startMs);
    await server.stop();
  });
  const of = (name: string) => times.get(name) ?? [];
  const added = median(of('guarded').map((time, turn) => time - (of('host')[turn] ?? NaN)));
  return {
    budget: [
      {
        figure: 'start to the first 200 on a ready database',
        value: median(of('ratchet')) / 1000,
        must: 1,
        aim: 0.6,
        better: 'lower',
        unit: 's',
      },
      {
        figure: 'start-up that the module adds to the same app',
        value: added,
        must: 250,
        aim: 100,
        better: 'lower',
        digits: 0,
        unit: 'ms',
      },
    ],
    tables: [
      {
        title: 'From the start of the process to the first 200',
        columns: ['who', 'median ms', 'quickest', 'slowest'],
        rows: (
          [
            ['Ratchet', 'ratchet'],
            ['an app with TypeORM, command bus and events', 'host'],
            ['the same with AuthModule', 'guarded'],
            ['an app that has loaded class-validator and @nestjs/swagger, too', 'documented'],
          ] as const
        ).map(([who, name]) => [
          who,
          whole(median(of(name))),
          whole(Math.min(...of(name))),
          whole(Math.max(...of(name))),
        ]),
      },
    ],
  };
}
