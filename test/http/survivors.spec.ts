import { CommandBus } from '@nestjs/cqrs';
import { CleanUpSessionsCommand } from '../../src';
import { type Answer, type Json, startTestApplication, type TestApplication } from '../support/app/test-application';
import { testDatabase, type TestDatabase } from '../support/database/test-database';
import { asAdmin, changeFactor, changePassword, resetPassword, statusOfMe } from './support/administration';
import { age } from './support/sessions';

/** `npm run test:survivors` plays 50 of each. */
const ROUNDS = Number(process.env.SURVIVOR_ROUNDS ?? 2);
/** Rounds that run side by side, so that the requests of one wait for those of others, too. */
const LANES = 5;

interface Round {
  readonly account: Awaited<ReturnType<TestApplication['register']>>;
  /** The session that is refreshed, and shall end. */
  readonly victim: Json;
  /** Another one of the same user, which asks for it. */
  readonly other: Json;
}

describe('While a session is refreshed again and again, by two at a time, no token of it outlives', () => {
  let database: TestDatabase;
  let app: TestApplication;
  let single: TestApplication;
  beforeAll(async () => {
    database = await testDatabase();
    app = await startTestApplication({ database });
    single = await startTestApplication({ database, env: { MAX_SESSIONS_PER_USER: '1' } });
  });
  afterAll(async () => {
    await Promise.all([app.close(), single.close()]);
    await database.close();
  });

  async function roundOf(instance: TestApplication): Promise<Round> {
    const account = await instance.register();
    const other = (await app.logIn(account)).body;
    return { account, other, victim: (await instance.logIn(account)).body };
  }

  /** What still worked after the end was answered; `stagger` turns of the event loop pass before it is asked for. */
  async function survivorsOf(
    instance: TestApplication,
    { victim }: Pick<Round, 'victim'>,
    end: () => Promise<Answer>,
    stagger: number,
  ): Promise<string[]> {
    const pairs: Json[] = [victim];
    const survivors: string[] = [];
    const progress = { ended: false };
    const refreshing = (async () => {
      for (;;) {
        const isLate = progress.ended;
        const token = pairs.at(-1).refreshToken;
        const answers = await Promise.all([instance.refresh(token), instance.refresh(token)]);
        const granted = answers.filter(({ status }) => status === 200);
        pairs.push(...granted.map(({ body }) => body));
        if (isLate && granted.length > 0) survivors.push(`a refresh of generation ${granted[0]!.body.generation}`);
        if (isLate || granted.length === 0) return;
      }
    })();
    for (let turn = 0; turn < stagger; turn++) await new Promise(setImmediate);
    const { status } = await end();
    progress.ended = true;
    expect({ stagger, ended: status < 300 }).toEqual({ stagger, ended: true });
    await refreshing;

    for (const { refreshToken, accessToken, generation } of pairs) {
      if ((await instance.refresh(refreshToken)).status === 200) survivors.push(`refresh token ${generation}`);
      if ((await statusOfMe(instance, accessToken)) === 200) survivors.push(`access token ${generation}`);
    }
    return survivors;
  }

  async function rounds(lanes: number, round: (number: number) => Promise<string[]>): Promise<string[]> {
    const survivors: string[] = [];
    let next = 0;
    const lane = async () => {
      while (next < ROUNDS) {
        const number = next++;
        survivors.push(...(await round(number)).map((survivor) => `round ${number}: ${survivor}`));
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    return survivors;
  }

  const ENDINGS: [name: string, end: (round: Round) => Promise<Answer>][] = [
    ['a log-out', ({ victim }) => app.post('/auth/logout', { refreshToken: victim.refreshToken })],
    ['its end from the list', ({ victim, other }) => ending(`/auth/sessions/${victim.sessionId}`, other)],
    ['the end of all others', ({ other }) => ending('/auth/sessions?except=current', other)],
    ['a log-out everywhere', ({ other }) => app.request('POST', '/auth/logout-all', { bearer: other.accessToken })],
    ['a new password', ({ account, other }) => changePassword(app, other.accessToken, account, 'another passphrase')],
    ['a reset of the password', ({ account }) => resetPassword(app, account.id, 'another passphrase')],
    ['a changed factor', ({ account, other }) => changeFactor(app, account.id, other.sessionId)],
    ["an administrator's end of all", ({ account }) => asAdmin(app, 'DELETE', `/admin/users/${account.id}/sessions`)],
    ['a deactivation', ({ account }) => asAdmin(app, 'PATCH', `/admin/users/${account.id}`, { isActive: false })],
    [
      'a rotation of its user',
      ({ account }) => asAdmin(app, 'POST', `/admin/users/${account.id}/rotations`, { reason: 'a test' }),
    ],
  ];
  const ending = (path: string, { accessToken }: Json) => app.request('DELETE', path, { bearer: accessToken });

  // Seen red with a rotation whose write does not ask whether the session was revoked.
  it.each(ENDINGS)(
    '%s',
    async (_name, end) => {
      const survivors = await rounds(LANES, async (number) => {
        const round = await roundOf(app);
        return survivorsOf(app, round, () => end(round), number);
      });
      expect(survivors).toEqual([]);
    },
    300_000,
  );

  it('its eviction by another login', async () => {
    const survivors = await rounds(LANES, async (number) => {
      const round = await roundOf(single);
      return survivorsOf(single, round, () => single.logIn(round.account), number);
    });
    expect(survivors).toEqual([]);
  }, 300_000);

  it('a rotation of everyone', async () => {
    // One by one, since it ends the sessions of all rounds.
    const survivors = await rounds(1, async (number) => {
      const round = await roundOf(app);
      return survivorsOf(
        app,
        round,
        () => asAdmin(app, 'POST', '/admin/security/rotations', { reason: 'a test' }),
        number,
      );
    });
    expect(survivors).toEqual([]);
  }, 300_000);

  // Seen red with a clean-up that looks at the idle limit, or at none.
  it('its retention, and no other session is lost, while it is cleaned up', async () => {
    const survivors = await rounds(LANES, async (number) => {
      const { victim, other } = await roundOf(app);
      await age(app, victim.sessionId, 61 * 24 * 60 * 60);
      let lost = 0;
      let token = other.refreshToken;
      const cleaning = { done: false };
      const living = (async () => {
        while (!cleaning.done) {
          const { status, body } = await app.refresh(token);
          if (status !== 200) lost++;
          else token = body.refreshToken;
        }
      })();
      const cleanUp = async (): Promise<Answer> => {
        await app.app.get(CommandBus).execute(new CleanUpSessionsCommand());
        return { status: 200, headers: new Headers(), body: undefined };
      };
      // The access token knows nothing of the row's age: in truth it would have expired two months ago.
      const found = (await survivorsOf(app, { victim }, cleanUp, number)).filter((one) => !one.startsWith('access'));
      cleaning.done = true;
      await living;
      return lost > 0 ? [...found, `${lost} refreshes of a living session were refused`] : found;
    });
    expect(survivors).toEqual([]);
    expect(await app.query(`SELECT FROM sessions WHERE absolute_expires_at < now()`)).toEqual([]);
  }, 300_000);
});
