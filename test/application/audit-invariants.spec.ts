import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { EventEmitter2 } from '@nestjs/event-emitter';
import {
  AccessTokenSigner,
  AUTH_EVENTS,
  type AuthEvent,
  AuthEventLog,
  AuthEvents,
  AuthMetrics,
  AuthTokenRefreshSucceeded,
  LoginFailed,
  SecurityPolicyRepository,
  SessionRepository,
  UnitOfWork,
} from '../../src';
import { intercept } from '../http/support/intercept';
import {
  type Chain,
  forge,
  newRetryKey,
  openChain,
  putBack,
  rowOf,
  snapshotOf,
  TRUSTING,
  userFloorOf,
} from '../http/support/sessions';
import { EVENTS } from '../support/app/events';
import { type Answer, startTestApplication, type Json, type TestApplication } from '../support/app/test-application';
import { freshDatabase, testDatabase, type TestDatabase } from '../support/database/test-database';
import { gate } from '../support/gate';

const TRAIL = /^auth\.token_refresh\./;

let database: TestDatabase;
let app: TestApplication;
const heard: AuthEvent[] = [];
beforeAll(async () => {
  database = await testDatabase();
  app = await startTestApplication({
    database,
    env: { ...TRUSTING, AUDIT_DEADLINE: '20s', REFRESH_REPLAY_WINDOW: '1h' },
  });
  const emitter = app.app.get(EventEmitter2);
  for (const { type } of AUTH_EVENTS) emitter.on(type, (event: AuthEvent) => heard.push(event));
});
afterAll(async () => {
  await app.close();
  await database.close();
});

/** Presents a token, with a password to reauthenticate. */
function ask(
  refreshToken: string,
  { retryKey, password }: Pick<Scenario, 'retryKey' | 'password'>,
  userAgent?: string,
) {
  const headers = {
    ...(userAgent !== undefined && { 'User-Agent': userAgent }),
    ...(retryKey !== undefined && { 'Idempotency-Key': retryKey }),
  };
  return password === undefined
    ? app.post('/auth/refresh', { refreshToken }, headers)
    : app.post('/auth/reauthenticate', { refreshToken, password }, headers);
}

/** The same under a user agent of its own, with what was recorded by then. */
async function present(
  refreshToken: string,
  how: Pick<Scenario, 'retryKey' | 'password'> = {},
): Promise<{ answer: Answer; trail: Json[] }> {
  const userAgent = `client ${randomUUID()}`;
  const answer = await ask(refreshToken, how, userAgent);
  const trail = await app.query(`SELECT * FROM ${EVENTS} WHERE user_agent = $1 ORDER BY occurred_at, id`, [userAgent]);
  return { answer, trail };
}

const expectUnavailable = ({ status, headers, body }: Answer) => {
  expect({ status, code: body.code, recovery: body.recovery }).toEqual({
    status: 503,
    code: 'unavailable',
    recovery: 'retry',
  });
  expect(headers.get('Retry-After')).toMatch(/^\d+$/);
};

/** All that a refresh may change of a session, its user's others, and their floor. */
const stateOf = async ({ account, sessionId }: Chain) => ({
  session: await rowOf(app, sessionId),
  others: await app.query('SELECT * FROM sessions WHERE user_id = $1 AND id <> $2 ORDER BY id', [
    account.id,
    sessionId,
  ]),
  floor: await userFloorOf(app, account.id),
});

interface Scenario {
  readonly name: string;
  readonly arrange: () => Promise<Chain>;
  readonly token: (chain: Chain) => string;
  readonly retryKey?: string;
  /** Of a reauthentication. */
  readonly password?: string;
  /** How the attempt ends when nothing fails, and when the same token is presented once more after that. */
  readonly ending: string;
  readonly again?: string;
  /** Of the changed row; nothing changes without it. */
  readonly change?: object;
  readonly floor?: number;
  /** Of the successor, by default 1. */
  readonly generation?: number;
}

const KEY = newRetryKey();
/** Of every new account. */
const PASSWORD = 'a long enough passphrase';
const sql = async (chain: Chain, statement: string, parameter: string): Promise<Chain> => {
  await app.query(statement, [parameter]);
  return chain;
};
const current = (chain: Chain) => chain.current;
const oldest = ({ tokens }: Chain) => tokens[0];
const ended = (reason: string) => ({ revoked_at: expect.any(Date), revoked_reason: reason });

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'a rotation',
    arrange: () => openChain(app),
    token: current,
    ending: 'succeeded',
    change: { generation: 1 },
  },
  {
    name: 'a replay by the window',
    arrange: () => openChain(app, 1),
    token: oldest,
    ending: 'succeeded',
    change: { generation: 1, replay_count: 1 },
  },
  {
    name: 'a replay by the key',
    arrange: () => openChain(app, 1, { retryKey: KEY }),
    token: oldest,
    retryKey: KEY,
    ending: 'succeeded',
  },
  {
    name: 'a reauthentication',
    arrange: () => openChain(app),
    token: current,
    password: PASSWORD,
    ending: 'succeeded',
    change: { generation: 1 },
  },
  {
    name: 'a reauthentication that repeats a refresh',
    arrange: () => openChain(app, 1),
    token: oldest,
    password: PASSWORD,
    ending: 'succeeded',
    change: { generation: 1, replay_count: 1 },
  },
  {
    name: 'a refusal',
    arrange: async () => {
      const chain = await openChain(app);
      return sql(
        chain,
        `UPDATE sessions SET revoked_at = now(), revoked_reason = 'admin_action' WHERE id = $1`,
        chain.sessionId,
      );
    },
    token: current,
    ending: 'token_revoked',
  },
  {
    name: 'a forgery',
    arrange: () => openChain(app),
    // Further ahead than an epoch, which another of these opens, would adopt.
    token: (chain) => forge(app, chain.current, { generation: 50 }),
    ending: 'token_invalid',
  },
  {
    name: 'a session that there is not',
    arrange: () => openChain(app),
    token: (chain) => forge(app, chain.current, { sessionId: randomUUID() }),
    ending: 'token_invalid',
  },
  {
    name: 'a reuse',
    arrange: () => openChain(app, 2),
    token: oldest,
    ending: 'token_revoked',
    change: ended('reuse_detected'),
  },
  {
    name: 'the second reuse of a day',
    arrange: async () => {
      const account = await app.register();
      await openChain(app, 0, { account });
      const first = await openChain(app, 0, { account });
      const reused = `UPDATE sessions SET revoked_at = now(), revoked_reason = 'reuse_detected' WHERE id = $1`;
      await sql(first, reused, first.sessionId);
      return openChain(app, 2, { account });
    },
    token: oldest,
    ending: 'token_revoked',
    change: ended('reuse_detected'),
    floor: 2,
  },
  {
    name: 'a session below the floor',
    arrange: async () => {
      const chain = await openChain(app);
      const raise = `INSERT INTO user_token_versions (user_id, min_token_version, reason) VALUES ($1, 2, 'a test')`;
      return sql(chain, raise, chain.account.id);
    },
    token: current,
    ending: 'token_version_rejected',
    again: 'token_revoked',
    change: ended('token_version_rejected'),
    floor: 2,
  },
  {
    name: 'an inactive user',
    arrange: async () => {
      const chain = await openChain(app);
      return sql(chain, 'UPDATE users SET is_active = false WHERE id = $1', chain.account.id);
    },
    token: current,
    ending: 'user_inactive',
    again: 'token_revoked',
    change: ended('user_deactivated'),
  },
  {
    name: 'an adoption',
    arrange: async () => {
      await app.query(`UPDATE security_policy SET recovery_until = now() + interval '1 hour'`);
      const chain = await openChain(app);
      const row = await snapshotOf(app, chain.sessionId);
      const { refreshToken } = (await app.refresh(chain.current)).body;
      await putBack(app, chain.sessionId, row);
      return { ...chain, current: refreshToken };
    },
    token: current,
    ending: 'succeeded',
    change: { generation: 2 },
    generation: 2,
  },
];

/** That the same token now works as if the fault had never been. */
async function expectToWork(scenario: Scenario, chain: Chain, token: string, changed: boolean): Promise<void> {
  const { ending, again = ending, retryKey, generation = 1 } = scenario;
  const before = await stateOf(chain);
  const { answer, trail } = await present(token, scenario);
  if (ending === 'succeeded') {
    expect(answer).toMatchObject({ status: 200, body: { generation } });
    // A committed rotation's successor is answered again; it is the one that the row knows.
    if (changed) expect((await rowOf(app, chain.sessionId)).token_hash).toEqual(before.session.token_hash);
    expect(await app.refresh(answer.body.refreshToken, retryKey && newRetryKey())).toMatchObject({
      status: 200,
      body: { generation: generation + 1 },
    });
  } else {
    expect(answer).toMatchObject({ status: 401, body: { code: changed ? again : ending } });
    expect(await rowOf(app, chain.sessionId)).toMatchObject(scenario.change ?? {});
  }
  expectOneEnding(trail);
}

const expectOneEnding = (trail: readonly Json[]) => {
  const outcomes = trail.filter(({ type }) => TRAIL.test(type)).map(({ outcome }) => outcome);
  expect(outcomes).toEqual(['attempted', expect.stringMatching(/^succeeded$|^failed$/)]);
};

/** Every attempt of this spec has exactly one ending, and what listeners heard has its record. */
async function expectSoundTrail(): Promise<void> {
  const broken = await app.query(`
    SELECT attempt_id, array_agg(type ORDER BY id) FROM ${EVENTS} WHERE type ~ '^auth[.](token_refresh|reauthentication)[.]'
     GROUP BY attempt_id
    HAVING count(*) FILTER (WHERE outcome = 'attempted') <> 1 OR count(*) FILTER (WHERE outcome <> 'attempted') <> 1`);
  expect(broken).toEqual([]);
  const told = heard.map(({ context }) => context.eventId);
  expect(new Set(told).size).toBe(told.length);
  const recorded = await app.query<{ id: string }>(`SELECT id FROM ${EVENTS} WHERE id = ANY($1)`, [told]);
  expect(recorded).toHaveLength(told.length);
}

describe('One attempt, one ending, and no change without it:', () => {
  class Fault extends Error {}

  /** Every call that a refresh makes of a port, in order; the `at`th of them fails, before or after its work, or all from it on. */
  async function failing<T>(at: number, how: 'before' | 'after' | 'from', work: () => Promise<T>) {
    const calls: string[] = [];
    const fails = (kind: typeof how) => how === kind && (kind === 'from' ? calls.length >= at : calls.length === at);
    const asynchronous = (name: string) => async (proceed: () => Promise<unknown>) => {
      calls.push(name);
      const fault = fails('after');
      if (fails('before') || fails('from')) throw new Fault(`before ${name}`);
      const answer = await proceed();
      if (fault) throw new Fault(`after ${name}`);
      return answer;
    };
    const around = <P extends object>(port: Parameters<typeof intercept<P>>[1], ...methods: (keyof P & string)[]) =>
      methods.map((method) => intercept(app, port, method, asynchronous(method)));
    const restore = [
      ...around(
        SessionRepository,
        'findForRefresh',
        'rotate',
        'adopt',
        'confirmReplay',
        'lockUser',
        'revoke',
        'countReuses',
        'countLiveOfUser',
      ),
      ...around(SecurityPolicyRepository, 'raiseUserFloor'),
      ...around(UnitOfWork, 'run'),
      ...around(AuthEventLog, 'append', 'appendNew'),
      ...around(AuthEvents, 'record'),
      // Not awaited, yet it may fail as well, and must not cost the client its token.
      intercept(app, AccessTokenSigner, 'sign', (proceed) => {
        calls.push('sign');
        if (fails('before') || fails('from')) throw new Fault('before sign');
        const answer = proceed();
        if (fails('after')) throw new Fault('after sign');
        return answer;
      }),
    ];
    try {
      return { result: await work(), calls };
    } finally {
      for (const undo of restore) undo();
    }
  }

  // After an answer, which does not depend on it: it would be one of the next one's calls.
  let mark: () => void;
  beforeAll(() => {
    mark = intercept(app, SessionRepository, 'markEnded', async () => 0);
  });
  afterAll(() => mark());

  // Seen red: the signature after the write, a fault without an ending, endings with ids of their own, a revocation outside
  // the transaction of its record, events dispatched before the commit, a refusal answered before its record.
  it.each(SCENARIOS)('$name, with a fault at each of its awaits', async (scenario) => {
    const { arrange, token: tokenOf, ending, change, floor } = scenario;
    const sane = await arrange();
    const { result, calls } = await failing(0, 'before', () => present(tokenOf(sane), scenario));
    expect(result.answer.status).toBe(ending === 'succeeded' ? 200 : 401);
    expect(await stateOf(sane)).toMatchObject({ session: change ?? {}, floor: floor ?? 1 });
    expect(calls.length).toBeGreaterThan(1);

    const faults = calls.flatMap((call, before) =>
      (['before', 'after', 'from'] as const).map((how) => ({ call, at: before + 1, how })),
    );
    // Only the presentations are one by one: each is alone with its fault.
    const chains = await Promise.all(faults.map(() => arrange()));
    const toWork: (() => Promise<void>)[] = [];
    for (const [index, { call, at, how }] of faults.entries()) {
      const point = `${how} ${at} ${call}`;
      const chain = chains[index]!;
      const token = tokenOf(chain);
      const before = await stateOf(chain);

      const { result } = await failing(at, how, () => present(token, scenario));

      const after = await stateOf(chain);
      expectUnavailable(result.answer);
      const last = result.trail.at(-1);
      const committed = last !== undefined && (last.reason ?? last.outcome) === ending;
      // What could not be recorded is not tried again, since the answer would leave after twice the deadline.
      const unrecorded = how === 'from' || (how === 'before' && call === 'appendNew');
      if (!unrecorded) expectOneEnding(result.trail);
      // A fault of the signer must not cost the client its token, whatever doors are open afterwards.
      if (call === 'sign') expect({ point, committed }).toEqual({ point, committed: false });
      if (!committed) {
        expect({ point, ...after }).toEqual({ point, ...before });
        if (last !== undefined)
          expect({ point, reason: last.reason }).toEqual({
            point,
            reason: expect.stringMatching(/^fault$|^overloaded$/),
          });
      } else {
        expect({ point, ...after }).toMatchObject({ point, session: change ?? before.session, floor: floor ?? 1 });
      }
      toWork.push(() => expectToWork(scenario, chain, token, committed && change !== undefined));
    }
    await Promise.all(toWork.map((work) => work()));
    await expectSoundTrail();
  });

  it('junk is refused whatever becomes of its record', async () => {
    for (const how of ['before', 'after', 'from'] as const) {
      const { result } = await failing(1, how, () => present('junk'));
      expect(result.answer).toMatchObject({ status: 401, body: { code: 'token_invalid' } });
    }
    await expectSoundTrail();
  });

  it('a session that changes under every round is put off with 503, and works afterwards', async () => {
    const chain = await openChain(app);
    const expire = (sign: string) =>
      app.query(`UPDATE sessions SET expires_at = expires_at ${sign} interval '8 days' WHERE id = $1`, [
        chain.sessionId,
      ]);
    const release = intercept(app, SessionRepository, 'rotate', async (proceed) => {
      await expire('-');
      const rotated = await proceed();
      await expire('+');
      return rotated;
    });
    const { answer, trail } = await present(chain.current);
    release();
    expectUnavailable(answer);
    expect(trail.map(({ outcome, reason, user_id }) => [outcome, reason, user_id])).toEqual([
      ['attempted', null, chain.account.id],
      ['failed', 'contended', chain.account.id],
    ]);
    expect(await app.refresh(chain.current)).toMatchObject({ status: 200, body: { generation: 1 } });
  });

  it('a listener that fails changes no answer', async () => {
    const emitter = app.app.get(EventEmitter2);
    for (const how of ['at once', 'later']) {
      const fail = () => {
        if (how === 'later') return Promise.reject(new Error('a listener of the host'));
        throw new Error('a listener of the host');
      };
      emitter.on(AuthTokenRefreshSucceeded.type, fail as () => void);
      const { answer, trail } = await present((await openChain(app)).current);
      emitter.off(AuthTokenRefreshSucceeded.type, fail as () => void);
      expect(answer).toMatchObject({ status: 200, body: { generation: 1 } });
      expectOneEnding(trail);
    }
  });
});

describe('When a record cannot be written, nothing changes and the same token works afterwards:', () => {
  const FAILURES = [
    {
      how: 'the table is away',
      breaks: 'ALTER TABLE auth_events RENAME TO auth_events_away',
      heals: 'ALTER TABLE auth_events_away RENAME TO auth_events',
    },
    {
      how: 'the ending alone is refused',
      breaks: `
        CREATE FUNCTION refuse_endings() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'full'; END $$;
        CREATE TRIGGER refuse_endings BEFORE INSERT ON auth_events
          FOR EACH ROW WHEN (NEW.outcome <> 'attempted') EXECUTE FUNCTION refuse_endings()`,
      heals: 'DROP TRIGGER refuse_endings ON auth_events; DROP FUNCTION refuse_endings',
    },
  ];
  describe.each(FAILURES)('while $how,', ({ breaks, heals }) => {
    interface Presented {
      readonly chain: Chain;
      readonly token: string;
      readonly before: Awaited<ReturnType<typeof stateOf>>;
      answer?: Answer;
    }
    const presented = new Map<string, Presented>();
    beforeAll(async () => {
      for (const { name, arrange, token: tokenOf } of SCENARIOS) {
        const chain = await arrange();
        presented.set(name, { chain, token: tokenOf(chain), before: await stateOf(chain) });
      }
      await app.query(breaks);
      try {
        for (const scenario of SCENARIOS) {
          const one = presented.get(scenario.name)!;
          one.answer = await ask(one.token, scenario);
        }
      } finally {
        await app.query(heals);
      }
    });

    it.each(SCENARIOS)('$name', async (scenario) => {
      const { chain, token, before, answer } = presented.get(scenario.name)!;
      expectUnavailable(answer!);
      expect(await stateOf(chain)).toEqual(before);
      await expectToWork(scenario, chain, token, false);
    });

    afterAll(expectSoundTrail);
  });

  it('not in time is not either, and a record that comes late is no second ending', async () => {
    const impatient = await startTestApplication({ database, env: { AUDIT_DEADLINE: '1s' } });
    const chain = await SCENARIOS.find(({ name }) => name === 'a refusal')!.arrange();
    const other = (await database.connect(1)).createQueryRunner();
    await other.startTransaction();
    await other.query('LOCK TABLE auth_events IN EXCLUSIVE MODE');
    const answer = await impatient.refresh(chain.current);
    await other.rollbackTransaction();
    await other.release();
    await impatient.close();

    expectUnavailable(answer);
    expect((await present(chain.current)).answer).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
    await expectSoundTrail();
  });
});

describe('Records that are written together', () => {
  // Seen red without the split of a refused batch.
  it('do not fail together: a poisoned one fails alone', async () => {
    const chains = await Promise.all(Array.from({ length: 10 }, () => openChain(app)));
    for (const { current } of chains) await app.post('/auth/logout', { refreshToken: current });
    const eventFrom = (ipAddress: string) =>
      new LoginFailed(
        {
          eventId: randomUUID(),
          occurredAt: new Date(),
          attemptId: randomUUID(),
          userId: null,
          sessionId: null,
          generation: null,
          ipAddress,
          userAgent: 'recorded by hand',
        },
        'unknown_account',
      );

    // The first batch waits until all the others are in the queue, so they are one batch.
    let batches = 0;
    const allQueued = gate();
    const release = [
      intercept(app, AuthEventLog, 'appendNew', async (proceed) => {
        if (++batches === 1) await allQueued.opened;
        return proceed();
      }),
      intercept(app, AuthMetrics, 'auditQueue', (proceed, depth: number) => {
        if (depth === 11) allQueued.open();
        return proceed();
      }),
    ];
    const record = (ipAddress: string) => app.app.get(AuthEvents).record([eventFrom(ipAddress)]);
    const [first, poisoned, ...answers] = await Promise.allSettled([
      record('192.0.2.1'),
      record('no address'),
      ...chains.map(({ current }) => app.refresh(current)),
    ]);
    for (const undo of release) undo();

    expect(first.status).toBe('fulfilled');
    expect(poisoned.status).toBe('rejected');
    for (const answer of answers)
      expect(answer).toMatchObject({ value: { status: 401, body: { code: 'token_revoked' } } });
    for (const { sessionId } of chains) {
      expect((await app.events({ sessionId })).slice(-2).map(({ outcome: ending }) => ending)).toEqual([
        'attempted',
        'failed',
      ]);
    }
    expect(await app.query(`SELECT FROM auth_events WHERE user_agent = 'recorded by hand'`)).toHaveLength(1);
  });
});

describe('A thousand junk tokens', () => {
  const JUNK = 1_000;
  const CONNECTIONS = 20;

  // Seen red without the limit of individual records.
  it('leave a few rows that count them all, and keep no honest refresh from its answer', async () => {
    const flooded = await freshDatabase();
    const busy = await startTestApplication({ database: flooded, env: TRUSTING });
    const { current } = await openChain(busy);

    let over = false;
    const perConnection = JUNK / CONNECTIONS;
    const flood = Promise.all(
      Array.from({ length: CONNECTIONS }, (_, connection) => sendJunk(busy.url, perConnection, connection)),
    ).finally(() => (over = true));
    const refreshUntilOver = async (token: string, generation: number): Promise<number> => {
      const { status, body } = await busy.refresh(token);
      expect({ status, generation: body.generation }).toEqual({ status: 200, generation });
      return over ? generation : refreshUntilOver(body.refreshToken, generation + 1);
    };
    const [statuses, honest] = await Promise.all([flood, refreshUntilOver(current, 1)]);
    await busy.close();

    expect(statuses.flat()).toEqual(Array(JUNK).fill('401'));
    expect(honest).toBeGreaterThan(1);
    const reader = await flooded.connect(1);
    const [counts] = await reader.query<Record<string, number>[]>(`
      SELECT sum((details->>'count')::int)::int AS counted, max((details->>'distinctIps')::int) AS sources,
             count(*) FILTER (WHERE type = 'auth.refusals.aggregated.v1')::int AS minutes,
             count(*) FILTER (WHERE type = 'auth.token_refresh.attempted.v1')::int AS attempted,
             count(*) FILTER (WHERE type = 'auth.token_refresh.failed.v1')::int AS failed
        FROM auth_events WHERE user_id IS NULL`);
    await flooded.close();
    const { counted = 0, minutes = 0, sources, attempted = 0, failed } = counts!;
    // Ten of each source and minute, and one row a minute for all others.
    expect(attempted).toBe(failed);
    expect(attempted).toBeLessThanOrEqual(20 * minutes);
    expect(attempted + counted).toBe(JUNK);
    expect(sources).toBe(2);
    expect(minutes).toBeLessThanOrEqual(2);
  });

  /** `times` junk tokens on one connection, without waiting for each answer; the statuses. */
  async function sendJunk(url: string, times: number, connection: number): Promise<string[]> {
    // From one address, and from many of one IPv6 network, which are one source.
    const from = connection % 2 === 0 ? '192.0.2.1' : `2001:db8:1:2::${connection.toString(16)}`;
    const socket = connect(Number(new URL(url).port), '127.0.0.1').setEncoding('utf8');
    const statuses: string[] = [];
    for (let sent = 0; sent < times;) {
      for (const until = Math.min(sent + 25, times); sent < until; sent++) {
        const body = JSON.stringify({ refreshToken: `rt1_${connection}_${sent}`.padEnd(96, 'x') });
        const head = ['POST /auth/refresh HTTP/1.1', 'Host: localhost', `X-Forwarded-For: ${from}`];
        head.push('Content-Type: application/json', `Content-Length: ${body.length}`);
        socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
      }
      let received = '';
      const answered = () => [...received.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status!);
      while (statuses.length + answered().length < sent) received += String((await once(socket, 'data'))[0]);
      statuses.push(...answered());
    }
    socket.destroy();
    return statuses;
  }
});
