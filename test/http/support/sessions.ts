import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { EventEmitter2 } from '@nestjs/event-emitter';
import { type AuthEvent, AuthTokenRefreshFailed, AuthTokenRefreshSucceeded } from '../../../src';
import { type RefreshToken, RefreshTokenKeyRing } from '../../../src/auth/domain/refresh-token';
import { EVENTS } from '../../support/app/events';
import type { Account, Answer, Json, TestApplication } from '../../support/app/test-application';
import { until } from '../../support/until';

export interface Chain {
  readonly sessionId: string;
  readonly account: Account & { readonly id: string };
  /** The refresh tokens by generation, the login's first. */
  readonly tokens: readonly [string, ...string[]];
  /** The newest of them. */
  readonly current: string;
}

interface ChainOptions {
  /** For the last refresh. */
  readonly retryKey?: string;
  readonly firstRetryKey?: string;
  readonly account?: Chain['account'];
  /** Of the login. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A session that was refreshed `times` times; a new account's, unless one is given. */
export async function openChain(app: TestApplication, times = 0, options: ChainOptions = {}): Promise<Chain> {
  const account = options.account ?? (await app.register());
  const { email, password } = account;
  const { status, body: login } = await app.post('/auth/login', { email, password }, options.headers);
  if (status !== 200) throw new Error(`The login of a chain was answered ${status}`);
  const tokens: [string, ...string[]] = [login.refreshToken];
  for (let time = 1; time <= times; time++) {
    const { body } = await app.refresh(
      tokens.at(-1)!,
      time === times ? options.retryKey : time === 1 ? options.firstRetryKey : undefined,
    );
    tokens.push(body.refreshToken);
  }
  return { sessionId: login.sessionId, account, tokens, current: tokens.at(-1)! };
}

export const newRetryKey = (): string => randomBytes(24).toString('base64url');

/** The row, with digests as they are stored. */
export async function rowOf(app: TestApplication, sessionId: string): Promise<Json> {
  const [row] = await app.query('SELECT * FROM sessions WHERE id = $1', [sessionId]);
  return row;
}

/** The row of a session that has ended, once that is marked: after the answer, where all of a user's end. */
export async function markedRowOf(app: TestApplication, sessionId: string): Promise<Json> {
  await until(async () => (await rowOf(app, sessionId)).revoked_at !== null);
  return rowOf(app, sessionId);
}

export async function userFloorOf(app: TestApplication, userId: string): Promise<number> {
  const [row] = await app.query('SELECT min_token_version FROM user_token_versions WHERE user_id = $1', [userId]);
  return row?.min_token_version ?? 1;
}

/** Lets `seconds` pass for one session: the row is put back with every time of it moved into the past. */
export async function age(app: TestApplication, sessionId: string, seconds: number): Promise<void> {
  const times = ['created_at', 'last_used_at', 'rotated_at', 'expires_at', 'absolute_expires_at', 'revoked_at'];
  const moved = times.map((time) => `'${time}', taken.${time} - make_interval(secs => $2)`).join(', ');
  await app.query(
    `WITH taken AS (DELETE FROM sessions WHERE id = $1 RETURNING *)
     INSERT INTO sessions
     SELECT (jsonb_populate_record(NULL::sessions, to_jsonb(taken) || jsonb_build_object(${moved}))).* FROM taken`,
    [sessionId, seconds],
  );
}

/** The row, for {@link putBack}. */
export async function snapshotOf(app: TestApplication, sessionId: string): Promise<unknown> {
  const [found] = await app.query('SELECT to_jsonb(one) AS row FROM sessions AS one WHERE id = $1', [sessionId]);
  return found.row;
}

/** Puts the row back as it was, as a failover does that loses the commits since. */
export async function putBack(app: TestApplication, sessionId: string, row: unknown): Promise<void> {
  await app.query(
    `WITH lost AS (DELETE FROM sessions WHERE id = $1 RETURNING id)
     INSERT INTO sessions SELECT kept.* FROM lost, jsonb_populate_record(NULL::sessions, $2::jsonb) AS kept`,
    [sessionId, JSON.stringify(row)],
  );
}

/**
 * Opens `count` further sessions like this one, without logins. The nth was used `apart` times n microseconds before it,
 * by default all of them at the same moment. Returns their ids.
 */
export async function copy(app: TestApplication, sessionId: string, count: number, apart = 0): Promise<string[]> {
  const copies = await app.query(
    `INSERT INTO sessions
     SELECT copy.* FROM sessions AS one, generate_series(1, $2::integer) AS n, jsonb_populate_record(one, jsonb_build_object(
       'id', gen_random_uuid(), 'last_used_at', one.last_used_at - n * $3::integer * interval '1 microsecond')) AS copy
     WHERE one.id = $1 RETURNING id`,
    [sessionId, count, apart],
  );
  return copies.map(({ id }) => id);
}

const ringOf = (app: TestApplication): RefreshTokenKeyRing => app.app.get(RefreshTokenKeyRing, { strict: false });

/** A token that the application's own key has sealed, made of `token` with other parts. */
export const forge = (app: TestApplication, token: string, parts: Partial<RefreshToken>): string =>
  ringOf(app).seal({ ...ringOf(app).open(token)!, ...parts });

/** The same as sealed by somebody else's key. */
export const sealElsewhere = (app: TestApplication, token: string, keyId: number): string =>
  new RefreshTokenKeyRing([{ id: keyId, root: randomBytes(32) }]).seal({ ...ringOf(app).open(token)!, keyId });

export interface Presentation {
  readonly answer: Answer;
  /** What was recorded of it, in order. */
  readonly trail: readonly Json[];
}

/** Refreshes as a client of its own (user agent and address), and waits until the attempt's ending has its record. */
export async function present(app: TestApplication, refreshToken: string, retryKey?: string): Promise<Presentation> {
  const userAgent = `client ${randomUUID()}`;
  const ended = endingOf(app, userAgent);
  const answer = await app.post(
    '/auth/refresh',
    { refreshToken },
    {
      'User-Agent': userAgent,
      'X-Forwarded-For': `2001:db8:${network()}:${network()}::1`,
      ...(retryKey !== undefined && { 'Idempotency-Key': retryKey }),
    },
  );
  await ended;
  const trail = await app.query(`SELECT * FROM ${EVENTS} WHERE user_agent = $1 ORDER BY occurred_at, id`, [userAgent]);
  return { answer, trail };
}

const network = (): string => randomInt(1, 0x10000).toString(16);

/** Trusts {@link present} with the client's address: junk is recorded one by one up to ten of a network and minute. */
export const TRUSTING = { TRUST_PROXY: '127.0.0.1' };

function endingOf(app: TestApplication, userAgent: string): Promise<void> {
  const emitter = app.app.get(EventEmitter2);
  const endings = [AuthTokenRefreshSucceeded.type, AuthTokenRefreshFailed.type];
  return new Promise((resolve) => {
    const hear = (event: AuthEvent) => {
      if (event.context.userAgent !== userAgent) return;
      for (const type of endings) emitter.off(type, hear);
      resolve();
    };
    for (const type of endings) emitter.on(type, hear);
  });
}

/** The trail of one refresh: the attempt, what was found, the ending; its reason, and nothing else of another attempt. */
export function expectTrail(
  trail: readonly Json[],
  expected: { readonly findings?: readonly string[]; readonly reason: string | null; readonly details?: object },
): void {
  const { findings = [], reason, details = {} } = expected;
  const outcome = reason === null ? 'succeeded' : 'failed';
  expect(trail.map(({ type }) => type)).toEqual([
    'auth.token_refresh.attempted.v1',
    ...findings,
    `auth.token_refresh.${outcome}.v1`,
  ]);
  const [attempted] = trail;
  const ending = trail.at(-1);
  expect(ending).toMatchObject({ outcome, reason, details });
  for (const event of trail) {
    expect(event).toMatchObject({
      attempt_id: attempted.id,
      occurred_at: attempted.occurred_at,
      ip_address: attempted.ip_address,
      user_agent: attempted.user_agent,
    });
  }
}
