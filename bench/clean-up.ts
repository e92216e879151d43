/*
 * Cleans up 100,000 sessions, of which 90 % are past their retention, while clients refresh; then sends the very same
 * requests to an equal database that nobody cleans up, and compares the answers. Reasons of refusals are hidden, as in
 * production, and PostgreSQL waits for the disk. `--short` takes 10,000 sessions and does not judge the speed, `--json`
 * prints JSON. Ends with 1 when an answer differs, when a row is left or lost, or when it is slower than it must be.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CommandBus } from '@nestjs/cqrs';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { CleanUpSessionsCommand, POSTGRES_DEFAULTS } from '../src';
import { tablesIn } from '../src/app.module';
import { digestOf, RefreshTokenKeyRing } from '../src/auth/domain/refresh-token';
import { createApplication } from '../src/bootstrap';
import { loadConfig } from '../src/config';
import { newAccessTokenKey } from '../src/new-keys';
import { dataSourceOptions } from '../src/postgres/data-source';
import { startEmbeddedPostgres } from '../src/database/embedded-postgres';
import { runMigrations } from '../src/postgres/migrate';

const { values: options } = parseArgs({
  options: { short: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
});

const USERS = options.short ? 100 : 1000;
const CLIENTS = 16;
const SEED = 20_260_131;
/** Each client sends at least so many requests, and goes on until the clean-up is done. */
const REQUESTS = options.short ? 100 : 300;
/** Answers before the clean-up begins. */
const WARM_UP = 10 * CLIENTS;
const ROWS_PER_SECOND = 5000;

const DAY = 24 * 60 * 60;
const GENERATION = 5;
const keys = [{ id: 0, root: randomBytes(32) }];
const ring = new RefreshTokenKeyRing(keys);
const accessKey = newAccessTokenKey('HS256');

/** A user's hundred sessions: ten within their retention, in every state, and ninety past it. */
const STATES = [
  ...['own', 'live', 'stolen', 'live', 'revoked', 'revoked', 'idle', 'idle', 'over', 'over'],
  ...Array.from({ length: 90 }, (_, at) => (at % 2 === 0 ? 'gone' : 'gone, revoked')),
] as const;
type Session = readonly [id: string, state: (typeof STATES)[number]];
interface User {
  readonly id: string;
  readonly sessions: readonly Session[];
}

/** Seconds from now, negative for the past: the idle limit, the absolute one, and the revocation. */
function timesOf(state: string, nth: number): readonly [number, number, number | null] {
  switch (state) {
    case 'revoked':
      return [7 * DAY, 20 * DAY, -DAY];
    case 'idle':
      return [-DAY, 20 * DAY, null];
    case 'over':
      return [-15 * DAY, -15 * DAY, null];
    case 'gone':
      return [-31 * DAY - nth * 3600, -31 * DAY - nth * 3600, null];
    case 'gone, revoked': // for reuse and an hour ago: it would be half of an escalation if it counted
      return [-31 * DAY - nth * 3600, -31 * DAY - nth * 3600, -3600];
    default:
      return [7 * DAY, 20 * DAY, null];
  }
}

const secretOf = (id: string): Buffer => createHash('sha256').update(id).digest();
const tokenOf = (sessionId: string, generation = GENERATION) => ({
  keyId: 0,
  sessionId,
  generation,
  secret: secretOf(sessionId),
});

async function seed(dataSource: DataSource): Promise<User[]> {
  const users = Array.from({ length: USERS }, () => ({
    id: uuidv7(),
    sessions: STATES.map((state) => [uuidv7(), state] as const),
  }));
  await dataSource.query(
    `INSERT INTO users (id, email, password_hash, roles)
     SELECT id, id || '@example.com', 'nobody signs in', '{user}' FROM unnest($1::uuid[]) AS id`,
    [users.map(({ id }) => id)],
  );
  for (const { id: userId, sessions } of users) {
    const times = sessions.map(([, state], nth) => timesOf(state, nth));
    await dataSource.query(
      `INSERT INTO sessions (id, user_id, generation, token_hash, key_id, token_version, global_version_at_issuance,
                             delivery, created_at, last_used_at, expires_at, absolute_expires_at, revoked_at,
                             revoked_reason, user_agent)
       SELECT id, $1, $2, hash, 0, 1, 1, 'body', now() + seconds(ends) - interval '30 days',
              now() + seconds(idles) - interval '7 days', now() + seconds(idles), now() + seconds(ends),
              now() + seconds(revoked), CASE WHEN revoked IS NOT NULL THEN 'reuse_detected' END, 'a browser'
         FROM unnest($3::uuid[], $4::bytea[], $5::float[], $6::float[], $7::float[])
              AS given (id, hash, idles, ends, revoked)`.replace(/seconds\((\w+)\)/g, 'make_interval(secs => $1)'),
      [
        userId,
        GENERATION,
        sessions.map(([id]) => id),
        sessions.map(([id]) => digestOf(tokenOf(id))),
        ...[0, 1, 2].map((which) => times.map((time) => time[which])),
      ],
    );
  }
  await dataSource.query('VACUUM ANALYZE');
  return users;
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function randomness(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Answered {
  readonly what: string;
  /** Status and body, without what differs between any two runs. */
  readonly answer: string;
  readonly milliseconds: number;
  readonly whileCleaning: boolean;
}

const masked = (text: string): string =>
  text.replace(/rt1_[\w-]+|eyJ[\w.-]+/g, '(token)').replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '(time)');

/** The refused presentations by name, each with the states of the sessions that it takes a token of. */
const REFUSED = {
  revoked: ['revoked'],
  'idle too long': ['idle'],
  'past the absolute limit': ['over'],
  'past retention': ['gone', 'gone, revoked'],
  'past retention, superseded': ['gone', 'gone, revoked'],
  'superseded, a theft': ['stolen'],
  unknown: [],
} as const satisfies Record<string, readonly Session[1][]>;

class Load {
  answered = 0;
  cleaning = false;

  constructor(private readonly url: string) {}

  /** A closed loop: one request at a time, in the order that `random` gives, for as long as `goOn` of their number. */
  async client(user: User, random: () => number, goOn: (count: number) => boolean): Promise<Answered[]> {
    const one = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;
    const own = user.sessions[0]?.[0] ?? '';
    let refreshToken = ring.seal(tokenOf(own));
    let accessToken = '';
    const answers: Answered[] = [];
    while (goOn(answers.length)) {
      const dice = random();
      if (dice < 0.6 || accessToken === '') {
        const body = await this.ask(answers, 'its own', 'POST', '/auth/refresh', { body: { refreshToken } });
        ({ refreshToken = refreshToken, accessToken = accessToken } = body);
      } else if (dice < 0.65) {
        await this.ask(answers, 'list', 'GET', '/auth/sessions', { bearer: accessToken });
      } else {
        const [what, states] = one(Object.entries(REFUSED));
        const chosen = user.sessions.filter(([, state]) => (states as readonly string[]).includes(state));
        const [id] = chosen.length === 0 ? [uuidv7()] : one(chosen);
        const token = ring.seal(tokenOf(id, what.includes('superseded') ? GENERATION - 3 : GENERATION));
        await this.ask(answers, what, 'POST', '/auth/refresh', { body: { refreshToken: token } });
      }
    }
    return answers;
  }

  private async ask(
    answers: Answered[],
    what: string,
    method: string,
    path: string,
    { body, bearer }: { body?: object; bearer?: string },
  ): Promise<{ refreshToken?: string; accessToken?: string }> {
    const startedAt = performance.now();
    const whileCleaning = this.cleaning;
    const response = await fetch(this.url + path, {
      method,
      headers: body ? { 'Content-Type': 'application/json' } : { Authorization: `Bearer ${bearer ?? ''}` },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    answers.push({
      what,
      answer: masked(`${response.status} ${text}`),
      milliseconds: performance.now() - startedAt,
      whileCleaning,
    });
    this.answered++;
    return JSON.parse(text) as object;
  }
}

interface Run {
  readonly answers: readonly (readonly Answered[])[];
  readonly deleted: number;
  readonly seconds: number;
  readonly left: number;
  readonly fsync: string;
}

/** The application on `url`; with `asMany`, no clean-up and as many requests of each client. */
async function run(url: string, users: readonly User[], asMany?: readonly number[]): Promise<Run> {
  const config = loadConfig({
    NODE_ENV: 'test',
    DATABASE_URL: url,
    DATABASE_POOL_SIZE: String(2 * CLIENTS),
    EXPOSE_REFUSAL_REASON: 'false',
    LOG_LEVEL: 'silent',
    PORT: '0',
    HOST: '127.0.0.1',
    MIGRATE_ON_START: 'false',
    CLEANUP_INTERVAL: '0',
    LIMIT_REFRESH_PER_SESSION: '0',
    LIMIT_REFRESH_PER_USER: '0',
    LIMIT_INVALID_PER_IP: '0',
    LIMIT_LIST_PER_USER: '0',
    AUDIT_DEADLINE: '1m', // a disk that is slow for a moment is no answer that differs
    ACCESS_TOKEN_KEYS: `bench:${accessKey}`,
    REFRESH_TOKEN_KEYS: keys.map(({ id, root }) => `${id}:${root.toString('base64')}`).join(),
  });
  const { app, close } = await createApplication(config);
  try {
    await app.listen(0, '127.0.0.1');
    const load = new Load(await app.getUrl());
    let waiting = asMany === undefined;
    const clients = users.slice(0, CLIENTS).map((user, nth) =>
      load.client(user, randomness(SEED + nth), (count) => {
        return asMany === undefined ? waiting || load.cleaning || count < REQUESTS : count < (asMany[nth] ?? 0);
      }),
    );
    let deleted = 0;
    let seconds = 0;
    if (waiting) {
      while (load.answered < WARM_UP) await Promise.race([clients[0], new Promise((next) => setTimeout(next, 1))]);
      load.cleaning = true;
      const startedAt = performance.now();
      ({ sessions: deleted } = await app.get(CommandBus).execute(new CleanUpSessionsCommand()));
      seconds = (performance.now() - startedAt) / 1000;
      waiting = load.cleaning = false;
    }
    const answers = await Promise.all(clients);
    const [row] = await app
      .get(DataSource)
      .query<{ left: number; fsync: string }[]>(
        `SELECT count(*)::integer AS left, current_setting('fsync') AS fsync FROM sessions`,
      );
    return { answers, deleted, seconds, left: row?.left ?? 0, fsync: row?.fsync ?? '' };
  } finally {
    await close();
  }
}

const count = <T>(of: readonly T[], key: (one: T) => string): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const one of of) counts[key(one)] = (counts[key(one)] ?? 0) + 1;
  return counts;
};

function milliseconds(of: readonly Answered[], share: number): number {
  const sorted = of.map((one) => one.milliseconds).toSorted((one, other) => one - other);
  return Math.round((sorted[Math.floor(share * sorted.length)] ?? 0) * 10) / 10;
}

async function bench(url: string) {
  const named = (name: string) => Object.assign(new URL(url), { pathname: `/${name}` }).href;
  const administer = new Client({ connectionString: url });
  await administer.connect();
  await administer.query('CREATE DATABASE seeded');
  await administer.query(`ALTER DATABASE seeded SET search_path = ${POSTGRES_DEFAULTS.schema}, public`);
  const dataSource = await new DataSource({
    ...dataSourceOptions(
      { url: named('seeded'), poolSize: 1, migrateOnStart: true, schema: POSTGRES_DEFAULTS.schema },
      tablesIn(POSTGRES_DEFAULTS.schema),
    ),
    extra: {},
  }).initialize();
  await runMigrations(dataSource);
  const users = await seed(dataSource);
  await dataSource.destroy();
  for (const name of ['cleaned', 'kept']) {
    await administer.query(`CREATE DATABASE ${name} TEMPLATE seeded`);
    await administer.query(`ALTER DATABASE ${name} SET search_path = ${POSTGRES_DEFAULTS.schema}, public`);
  }
  await administer.end();

  const cleaned = await run(named('cleaned'), users);
  const kept = await run(
    named('kept'),
    users,
    cleaned.answers.map(({ length }) => length),
  );

  const answers = cleaned.answers.flat();
  const same = kept.answers.flat();
  const differing = answers
    .map(({ what, answer }, at) => ({ what, cleaned: answer, kept: same[at]?.answer }))
    .filter((pair) => pair.cleaned !== pair.kept);
  const meanwhile = answers.filter(({ whileCleaning }) => whileCleaning);
  const sameMeanwhile = same.filter((_, at) => answers[at]?.whileCleaning);
  const sessions = USERS * STATES.length;
  const pastRetention = USERS * STATES.filter((state) => state.startsWith('gone')).length;
  const rowsPerSecond = Math.round(cleaned.deleted / cleaned.seconds);

  const broken = [
    [differing.length > 0, `${differing.length} answers differ`],
    [same.length !== answers.length, 'the two runs have not as many answers'],
    [meanwhile.length === 0, 'nothing was asked while it cleaned up'],
    [
      cleaned.deleted !== pastRetention,
      `${cleaned.deleted} rows were deleted, and ${pastRetention} are past retention`,
    ],
    [cleaned.left !== sessions - pastRetention || kept.left !== sessions, 'a row is left or lost'],
    [cleaned.fsync !== 'on', 'the server does not wait for the disk'],
    [!options.short && rowsPerSecond < ROWS_PER_SECOND, `slower than ${ROWS_PER_SECOND} rows per second`],
  ]
    .filter(([isBroken]) => isBroken)
    .map(([, problem]) => problem as string);
  return {
    sessions,
    pastRetention,
    clients: CLIENTS,
    requestsPerRun: answers.length,
    requestsWhileCleaning: meanwhile.length,
    presented: count(answers, ({ what }) => what),
    statuses: count(answers, ({ answer }) => answer.slice(0, 3)),
    differingAnswers: differing.length,
    firstDifferences: differing.slice(0, 3),
    rowsDeleted: cleaned.deleted,
    seconds: Math.round(cleaned.seconds * 100) / 100,
    rowsPerSecond,
    medianMs: { cleaning: milliseconds(meanwhile, 0.5), without: milliseconds(sameMeanwhile, 0.5) },
    p99Ms: { cleaning: milliseconds(meanwhile, 0.99), without: milliseconds(sameMeanwhile, 0.99) },
    fsync: cleaned.fsync,
    broken,
  };
}

type Figures = Awaited<ReturnType<typeof bench>>;

function tableOf(figures: Figures): string {
  const number = (value: number) => value.toLocaleString('en-US');
  const counts = (of: Record<string, number>) =>
    Object.entries(of)
      .map(([name, times]) => `${number(times)} ${name}`)
      .join(', ');
  const { medianMs, p99Ms } = figures;
  const rows = [
    ['sessions', `${number(figures.sessions)}, ${number(figures.pastRetention)} of them past retention`],
    [
      'requests',
      `${number(figures.requestsPerRun)} by ${figures.clients} clients, ${number(figures.requestsWhileCleaning)} of them during the clean-up`,
    ],
    ['tokens presented', counts(figures.presented)],
    ['answers', counts(figures.statuses)],
    ['differing answers', `${number(figures.differingAnswers)} (must be 0)`],
    ['rows deleted', `${number(figures.rowsDeleted)} in ${figures.seconds} s, fsync ${figures.fsync}`],
    [
      'rows per second',
      `${number(figures.rowsPerSecond)} ${options.short ? '(not judged)' : `(at least ${number(ROWS_PER_SECOND)})`}`,
    ],
    ['answer, median', `${medianMs.cleaning} ms during the clean-up, ${medianMs.without} ms without`],
    ['answer, p99', `${p99Ms.cleaning} ms during the clean-up, ${p99Ms.without} ms without`],
  ];
  return rows.map(([name = '', value]) => `${name.padEnd(18)} ${value}`).join('\n');
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'ratchet-clean-up-'));
  const server = await startEmbeddedPostgres({ dataDir: join(folder, 'pg') });
  let stopping: Promise<void> | undefined;
  const stop = () => (stopping ??= server.stop().finally(() => rmSync(folder, { recursive: true })));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void stop().finally(() => process.exit(1)));
  }
  try {
    const figures = await bench(server.url);
    console.log(options.json ? JSON.stringify(figures, null, 2) : tableOf(figures));
    for (const { what, cleaned, kept } of options.json ? [] : figures.firstDifferences) {
      console.log(`\n${what}\n  with    ${cleaned}\n  without ${kept}`);
    }
    for (const problem of figures.broken) console.error(`BROKEN: ${problem}`);
    process.exitCode = figures.broken.length === 0 ? 0 : 1;
  } finally {
    await stop();
  }
}

void main();
