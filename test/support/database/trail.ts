import type { EventFilter } from '../../../src';

/** A database with the product's schema in its search path: a TypeORM DataSource, or a client of pg. */
interface Queries {
  query(sql: string): Promise<unknown>;
}

const DAYS = 90;
const DAY_MS = 24 * 60 * 60 * 1000;
/** What a user leaves in that time. */
const ATTEMPTS_OF_USER = 100;
const SESSIONS_OF_USER = 2;

/** The attempts of a hundred, and the rows of each as the product stores them: type, its outcome, reason, details, and place of the id. */
const ATTEMPTS = {
  granted: [['token_refresh.succeeded', 'succeeded', null, {}, 127]],
  refused: [
    ['token_refresh.attempted', 'attempted', null, {}, 0],
    ['token_refresh.failed', 'failed', 'token_expired', {}, 127],
  ],
  'signed in': [
    ['login.attempted', 'attempted', null, {}, 0],
    ['session.created', 'succeeded', null, { delivery: 'body' }, 1],
    ['login.succeeded', 'succeeded', null, {}, 127],
  ],
  'not signed in': [
    ['login.attempted', 'attempted', null, {}, 0],
    ['login.failed', 'failed', 'wrong_password', {}, 127],
  ],
  // One in 10,000.
  stolen: [
    ['token_refresh.attempted', 'attempted', null, {}, 0],
    ['token.reuse_detected', 'failed', null, { generationsBehind: 2, reuseClass: 'stale' }, 1],
    ['session.revoked', 'succeeded', 'reuse_detected', {}, 2],
    ['token_refresh.failed', 'failed', 'token_revoked', { revokedReason: 'reuse_detected' }, 127],
  ],
} as const;
const ROWS_OF_ATTEMPT = 1.08;

const USER_AGENT =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';
const USER = '01900000-0000-7000-9000-';
const SESSION = '01900000-0000-7000-8000-';

const hex = (digits: number, number: number): string => number.toString(16).padStart(digits, '0');
const sqlHex = (digits: number, number: string): string => `lpad(to_hex(${number}), ${digits}, '0')`;
const literal = (value: string | null): string => (value === null ? 'NULL' : `'${value}'`);

/**
 * Fills the trail with about so many rows of the 90 days before `until`, in the order of time and in partitions of months, whose
 * indexes are built when they are full. Three attempts at a time are in one millisecond.
 */
export async function seedTrail(database: Queries, rows: number, until: Date): Promise<Trail> {
  const trail = new Trail(Math.round(rows / ROWS_OF_ATTEMPT), until);
  const { start } = trail;
  await database.query('SET statement_timeout = 0');
  for (let month = new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth())); month <= until;) {
    const next = new Date(Date.UTC(month.getUTCFullYear(), month.getUTCMonth() + 1));
    const partition = `auth_events_${month.toISOString().slice(0, 7).replace('-', '_')}`;
    await database.query(`CREATE TABLE ${partition} (LIKE auth_events INCLUDING ALL EXCLUDING INDEXES)`);
    await database.query(`INSERT INTO ${partition} ${rowsOf(trail, trail.attemptAt(month), trail.attemptAt(next))}`);
    await database.query(
      `ALTER TABLE auth_events ATTACH PARTITION ${partition} FOR VALUES FROM ('${month.toISOString()}') TO ('${next.toISOString()}')`,
    );
    month = next;
  }
  // As autovacuum does in its own time.
  await database.query('ANALYZE auth_events');
  return trail;
}

/** Of the attempts from the one number to before the other. */
function rowsOf({ start, step, users }: Trail, first: number, end: number): string {
  const shapes = Object.entries(ATTEMPTS).flatMap(([way, all]) =>
    all.map(
      ([type, outcome, reason, details, place]) =>
        `('${way}', 'auth.${type}.v1', '${outcome}', ${literal(reason)}, '${JSON.stringify(details)}'::jsonb, ${place})`,
    ),
  );
  return `(id, type, occurred_at, attempt_id, user_id, session_id, generation, ip_address, user_agent, outcome, reason, details)
    SELECT (prefix || ${sqlHex(12, 'n * 128 + place')})::uuid, type, to_timestamp(ms / 1000.0),
           (prefix || ${sqlHex(12, 'n * 128')})::uuid, '${USER}' || ${sqlHex(12, 'number')},
           ('${SESSION}' || ${sqlHex(12, `number * ${SESSIONS_OF_USER} + turn % ${SESSIONS_OF_USER}`)})::uuid,
           turn, ('192.0.2.' || n % 250)::inet, '${USER_AGENT}', outcome, reason, details
      FROM (SELECT n, ms, n % ${users} AS number, n / ${users} AS turn,
                   left(${sqlHex(12, 'ms')}, 8) || '-' || right(${sqlHex(12, 'ms')}, 4) || '-7000-8000-' AS prefix,
                   CASE WHEN n % 10000 = 4711 THEN 'stolen' WHEN lot < 94 THEN 'granted' WHEN lot < 97 THEN 'refused'
                        WHEN lot < 99 THEN 'signed in' ELSE 'not signed in' END AS way
              FROM (SELECT n, (n + n / ${users} * 7) % 100 AS lot, ${start.getTime()} + n / 3 * ${step}::bigint AS ms
                      FROM generate_series(${first}::bigint, ${end - 1}) AS n) AS numbered) AS attempt
      JOIN (VALUES ${shapes.join(', ')}) AS shape (way, type, outcome, reason, details, place) USING (way)
     ORDER BY n, place`;
}

/** What has been seeded. */
class Trail {
  readonly users: number;
  readonly start: Date;
  /** Milliseconds between one and the next that has attempts. */
  readonly step: number;

  constructor(
    readonly attempts: number,
    readonly until: Date,
  ) {
    this.users = Math.ceil(attempts / ATTEMPTS_OF_USER);
    this.start = new Date(until.getTime() - DAYS * DAY_MS);
    this.step = Math.floor((DAYS * DAY_MS) / Math.ceil(attempts / 3));
  }

  /** The number of the first attempt at a time or after it. */
  attemptAt(time: Date): number {
    const steps = Math.ceil((time.getTime() - this.start.getTime()) / this.step);
    return Math.min(Math.max(steps * 3, 0), this.attempts);
  }

  /** Every filter of the search, and what an incident combines. */
  filters(): [string, EventFilter][] {
    const middle = this.start.getTime() + Math.floor(this.attempts / 6) * this.step;
    const [userId, sessionId] = [USER + hex(12, 42), SESSION + hex(12, 84)];
    const [granted, refused] = [0, 94].map((lot) => this.attemptOf(lot));
    const day = { from: new Date(middle), to: new Date(middle + DAY_MS) };
    const type = (name: string) => `auth.${name}.v1`;
    return [
      ['none', {}],
      ['user', { userId }],
      ['user that is unknown', { userId: USER + 'f'.repeat(12) }],
      ['session', { sessionId }],
      ['attempt that was granted', { attemptId: granted }],
      ['attempt that was refused', { attemptId: refused }],
      ...['token_refresh.attempted', 'token_refresh.succeeded', 'token_refresh.failed', 'login.attempted'].map(
        (name): [string, EventFilter] => [`type ${name}`, { type: type(name) }],
      ),
      ['type token.reuse_detected', { type: type('token.reuse_detected') }],
      ['type that never was', { type: type('global_rotation.failed') }],
      ...(['attempted', 'succeeded', 'failed'] as const).map((outcome): [string, EventFilter] => [
        `outcome ${outcome}`,
        { outcome },
      ]),
      ['from', { from: day.from }],
      ['to', { to: day.to }],
      ['a day', day],
      ['a day, type token_refresh.succeeded', { ...day, type: type('token_refresh.succeeded') }],
      ['a day, type token.reuse_detected', { ...day, type: type('token.reuse_detected') }],
      ['a day, outcome failed', { ...day, outcome: 'failed' }],
      ['a day that is yet to come', { from: new Date(this.until.getTime() + DAY_MS) }],
      ['user, a day', { userId, ...day }],
      ['user, type login.failed', { userId, type: type('login.failed') }],
      ['user, type token_refresh.attempted', { userId, type: type('token_refresh.attempted') }],
      ['user, outcome failed', { userId, outcome: 'failed' }],
      ['session, outcome failed', { sessionId, outcome: 'failed' }],
      [
        'user, session, a day, type token_refresh.succeeded',
        { userId, sessionId, ...day, type: type('token_refresh.succeeded') },
      ],
    ];
  }

  private attemptOf(lot: number): string {
    let n = Math.floor(this.attempts / 2);
    while ((n + Math.floor(n / this.users) * 7) % 100 !== lot) n++;
    const time = hex(12, this.start.getTime() + Math.floor(n / 3) * this.step);
    return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${hex(12, n * 128)}`;
  }
}
