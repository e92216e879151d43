import { setTimeout as delay } from 'node:timers/promises';
import { CommandBus } from '@nestjs/cqrs';
import { RefreshAccessTokenCommand, SessionRepository } from '../../src';
import { EVENTS } from '../support/app/events';
import { startTestApplication, type Answer, type TestApplication } from '../support/app/test-application';
import { testDatabase, type TestDatabase } from '../support/database/test-database';
import { gate } from '../support/gate';
import { intercept } from './support/intercept';
import { newRetryKey, openChain, rowOf } from './support/sessions';

const TIMES = 20;
/** `npm run test:survivors` plays 100. */
const ROUNDS = Number(process.env.RACE_ROUNDS ?? 25);
/** Who wins is what is asked here, not how long it takes: on a busy machine twenty of them outlast the usual times. */
const patient = { REFRESH_REPLAY_WINDOW: '1h', AUDIT_DEADLINE: '60s' };

let database: TestDatabase;
let app: TestApplication;
let other: TestApplication;
let strict: TestApplication;
beforeAll(async () => {
  database = await testDatabase();
  app = await startTestApplication({ database, env: patient });
  other = await startTestApplication({ database, env: patient });
  strict = await startTestApplication({ database, env: { ...patient, REFRESH_REPLAY_WINDOW: '0' } });
});
afterAll(async () => {
  await Promise.all([app, other, strict].map((one) => one.close()));
  await database.close();
});

const atOnce = (send: () => Promise<Answer>): Promise<Answer[]> => Promise.all(Array.from({ length: TIMES }, send));
const statusesOf = (answers: readonly Answer[]) => answers.map(({ status }) => status);
const distinct = (values: readonly unknown[]) => [...new Set(values)];

const endingsOf = (sessionId: string) =>
  app.query(
    `SELECT outcome, reason, details->'replayed' AS replayed, count(*)::int AS times FROM auth_events
      WHERE session_id = $1 AND type LIKE 'auth.token_refresh.%' AND outcome <> 'attempted'
      GROUP BY 1, 2, 3 ORDER BY 4`,
    [sessionId],
  );

// Seen red: an update that asks for neither generation nor digest, a lost race that is not decided anew.
describe('One token presented 20 times at once', () => {
  it.each([
    { name: 'without a key', retryKey: undefined, counted: TIMES - 1 },
    { name: 'with one key', retryKey: newRetryKey(), counted: 0 },
  ])('$name is one rotation and 19 times the identical successor', async ({ retryKey, counted }) => {
    const { sessionId, current } = await openChain(app);

    const answers = await atOnce(() => app.refresh(current, retryKey));

    expect(statusesOf(answers)).toEqual(Array(TIMES).fill(200));
    expect(distinct(answers.map(({ body }) => `${body.refreshToken} ${body.generation}`))).toHaveLength(1);
    expect(distinct(answers.map(({ body }) => body.accessToken))).toHaveLength(TIMES);
    expect(await rowOf(app, sessionId)).toMatchObject({ generation: 1, revoked_at: null, replay_count: counted });
    expect(await endingsOf(sessionId)).toEqual([
      { outcome: 'succeeded', reason: null, replayed: null, times: 1 },
      { outcome: 'succeeded', reason: null, replayed: true, times: TIMES - 1 },
    ]);
    expect(await app.refresh(answers[0]!.body.refreshToken)).toMatchObject({ status: 200, body: { generation: 2 } });
  });

  it('with the window at 0 and no key has exactly one winner, and the session is over', async () => {
    const { sessionId, current } = await openChain(strict);

    const answers = await atOnce(() => strict.refresh(current));

    expect(statusesOf(answers).toSorted()).toEqual([200, ...Array<number>(TIMES - 1).fill(401)]);
    expect(await rowOf(app, sessionId)).toMatchObject({ generation: 1, revoked_reason: 'reuse_detected' });
    expect(await endingsOf(sessionId)).toEqual([
      { outcome: 'succeeded', reason: null, replayed: null, times: 1 },
      { outcome: 'failed', reason: 'token_revoked', replayed: null, times: TIMES - 1 },
    ]);
    const winner = answers.find(({ status }) => status === 200);
    expect(await strict.refresh(winner?.body.refreshToken)).toMatchObject({ status: 401 });
    const found = `SELECT FROM auth_events WHERE session_id = $1 AND type = 'auth.token.reuse_detected.v1'`;
    expect(await app.query(found, [sessionId])).toHaveLength(1);
  });

  it('with 20 different keys is one rotation; the others are told to read their store again', async () => {
    const { sessionId, current } = await openChain(app);

    const answers = await atOnce(() => app.refresh(current, newRetryKey()));

    expect(statusesOf(answers).toSorted()).toEqual([200, ...Array<number>(TIMES - 1).fill(429)]);
    expect(await rowOf(app, sessionId)).toMatchObject({ generation: 1, revoked_at: null, keyed: true });
  });

  it('over two instances is one rotation all the same', async () => {
    const { sessionId, current } = await openChain(app);
    const instances = [app, other];
    let turn = 0;
    const answers = await atOnce(() => instances[turn++ % 2]!.refresh(current));
    expect(distinct(answers.map(({ status, body }) => `${status} ${body.refreshToken}`))).toHaveLength(1);
    expect(await rowOf(app, sessionId)).toMatchObject({ generation: 1 });
  });
});

// Seen red with a batch that waits for locked rows, in the order of arrival: deadlocks, each a refresh that ended in a fault.
describe('Sessions that two instances refresh at once, one in the opposite order of the other,', () => {
  it(`rotate once a round, for ${ROUNDS} rounds: no deadlock, no fork, one ending for each attempt`, async () => {
    const deadlocks = () => app.query('SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()');
    const before = await deadlocks();
    const chains = await Promise.all(Array.from({ length: 16 }, () => openChain(app)));
    const refresh = async (instance: TestApplication, token: string) => {
      const result = await instance.app.get(CommandBus).execute(new RefreshAccessTokenCommand(token, {}));
      if (!result.ok) throw new Error(`refused: ${result.reason.reason}`);
      return result.value.refreshToken;
    };
    let tokens = chains.map(({ current }) => current);
    for (let round = 0; round < ROUNDS; round++) {
      const [here, there] = await Promise.all([
        Promise.all(tokens.map((token) => refresh(app, token))),
        Promise.all(tokens.toReversed().map((token) => refresh(other, token))),
      ]);
      expect(there.toReversed()).toEqual(here);
      tokens = here;
    }
    for (const { sessionId } of chains) {
      expect(await rowOf(app, sessionId)).toMatchObject({ generation: ROUNDS, revoked_at: null });
      const endings = await endingsOf(sessionId);
      expect(endings.map(({ replayed, times }) => [replayed, times])).toEqual(
        expect.arrayContaining([
          [null, ROUNDS],
          [true, ROUNDS],
        ]),
      );
      expect(endings).toHaveLength(2);
    }
    const ids = chains.map(({ sessionId }) => sessionId);
    expect(
      await app.query(
        `SELECT attempt_id FROM ${EVENTS} WHERE session_id = ANY($1) AND type LIKE 'auth.token_refresh.%'
            GROUP BY 1 HAVING count(*) <> 2 OR count(*) FILTER (WHERE outcome = 'attempted') <> 1`,
        [ids],
      ),
    ).toEqual([]);
    expect(await deadlocks()).toEqual(before);
  });
});

describe('A log-out', () => {
  /** Where the rotation or the replay waits, decided and not yet applied. */
  async function decidedThenLoggedOut(method: 'rotate' | 'confirmReplay', token: string, current: string) {
    const decided = gate();
    const loggedOut = gate();
    const release = intercept(app, SessionRepository, method, async (proceed) => {
      decided.open();
      await loggedOut.opened;
      return proceed();
    });
    try {
      const refresh = app.refresh(token);
      await decided.opened;
      expect(await app.post('/auth/logout', { refreshToken: current })).toMatchObject({ status: 204 });
      loggedOut.open();
      return await refresh;
    } finally {
      release();
    }
  }

  // Seen red without `revoked_at IS NULL` in the condition of both statements.
  it.each(['rotate', 'confirmReplay'] as const)('that commits before a decided %s refuses it', async (method) => {
    const { sessionId, tokens, current } = await openChain(app, 1);
    const token = method === 'rotate' ? current : tokens[0];
    const answer = await decidedThenLoggedOut(method, token, current);
    expect(answer).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
    expect(await rowOf(app, sessionId)).toMatchObject({
      generation: 1,
      replay_count: 0,
      revoked_reason: 'user_logout',
    });
  });

  it('and refreshes, in every order: a row never changes after its end, and nothing is answered after it', async () => {
    // Whatever the answers say, the database tells whether a change came after the revocation.
    await app.query(`
      CREATE FUNCTION refuse_the_dead() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'session % has ended', OLD.id; END $$;
      CREATE TRIGGER refuse_the_dead BEFORE UPDATE ON sessions
        FOR EACH ROW WHEN (OLD.revoked_at IS NOT NULL) EXECUTE FUNCTION refuse_the_dead()`);
    try {
      for (let round = 0; round < 12; round++) {
        const { sessionId, tokens, current } = await openChain(app, 1);
        let over = false;
        const refresh = async (token: string): Promise<string> => {
          const late = over;
          const { status, body } = await app.refresh(token);
          if (late || status !== 200)
            expect({ status, code: body.code }).toEqual({ status: 401, code: 'token_revoked' });
          return body.refreshToken ?? token;
        };
        const replays = async () => {
          for (let time = 0; time < 4; time++) await refresh(tokens[0]);
        };
        const rotations = async () => {
          let token = current;
          for (let time = 0; time < 8; time++) token = await refresh(token);
        };
        const logOut = async () => {
          await delay(round % 10);
          expect(await app.post('/auth/logout', { refreshToken: current })).toMatchObject({ status: 204 });
          over = true;
        };
        await Promise.all([logOut(), ...(round % 2 === 0 ? [replays(), replays(), replays()] : [rotations()])]);
        await refresh(current);
        expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: 'user_logout' });
      }
    } finally {
      await app.query('DROP FUNCTION refuse_the_dead CASCADE');
    }
  });
});
