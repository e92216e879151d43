import { CommandBus } from '@nestjs/cqrs';
import { type CleanUp, CleanUpSessionsCommand } from '../../src';
import { type Answer, type Json, startTestApplication, type TestApplication } from '../support/app/test-application';
import { freshDatabase } from '../support/database/test-database';
import { age, openChain } from './support/sessions';

const DAY = 24 * 60 * 60;

const cleanUp = (app: TestApplication, dryRun = false): Promise<CleanUp> =>
  app.app.get(CommandBus).execute(new CleanUpSessionsCommand(dryRun));

describe('Whether or not a clean-up comes between any two requests', () => {
  /** What differs between two runs of the same requests: ids, tokens and times. */
  const masked = ({ status, headers, body }: Answer): string => {
    const { date: _, 'content-length': __, ...rest } = Object.fromEntries(headers);
    const text = JSON.stringify({ status, headers: rest, body });
    return text
      .replace(/rt1_[\w-]+|eyJ[\w.-]+/g, '(token)')
      .replace(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, '(id)')
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '(time)')
      .replace(/"(refreshExpiresIn|expiresIn)":\d+/g, '"$1":(seconds)');
  };

  const ORDERS = [
    ['refresh', 'reuse', 'end', 'logout'],
    ['reuse', 'refresh', 'logout', 'end'],
    ['end', 'logout', 'reuse', 'refresh'],
    ['logout', 'end', 'refresh', 'reuse'],
  ] as const;
  /** Only the oldest is there to be deleted: it comes in every order, and one of each other age shows that it stays. */
  const AGES = [
    { days: 0, orders: [ORDERS[0]] },
    { days: 8, orders: [ORDERS[1]] },
    { days: 59, orders: [ORDERS[2]] },
    { days: 61, orders: ORDERS },
  ];

  /** A user's old session, at every age, meets everything that can be asked of it; another one watches. */
  async function script(app: TestApplication, ages: typeof AGES, between: () => Promise<unknown>): Promise<string[]> {
    const answers: string[] = [];
    const ask = async (what: string, answer: Promise<Answer>) => {
      answers.push(`${what}: ${masked(await answer)}`);
      await between();
    };
    for (const { days, orders } of ages) {
      for (const revoked of [false, true]) {
        for (const order of orders) {
          const name = `${days} days${revoked ? ', revoked' : ''}`;
          const old = await openChain(app, 2);
          if (revoked) await app.post('/auth/logout', { refreshToken: old.current });
          const login = await app.logIn(old.account);
          const watching: Json = login.body;
          if (days > 0) await age(app, old.sessionId, days * DAY);
          await between();
          for (const what of order) {
            const asked = {
              refresh: () => app.refresh(old.current),
              reuse: () => app.refresh(old.tokens[0]),
              end: () => app.request('DELETE', `/auth/sessions/${old.sessionId}`, { bearer: watching.accessToken }),
              logout: () => app.post('/auth/logout', { refreshToken: old.tokens[1] }),
            }[what];
            await ask(`${name}: ${what}`, asked());
            await ask(`${name}: list after ${what}`, app.get('/auth/sessions', watching.accessToken));
          }
          await ask(`${name}: the other`, app.refresh(watching.refreshToken));
          // A second reuse within the day ends everything: does the first one count?
          const again = await openChain(app, 2, { account: old.account });
          await ask(`${name}: another reuse`, app.refresh(again.tokens[0]));
          await ask(`${name}: the other, again`, app.get('/auth/sessions', watching.accessToken));
        }
      }
    }
    return answers;
  }

  // Seen red with reads that find whatever still has a row: a session of somebody's was ended by the reuse of one long gone.
  it.each([
    ['session', AGES],
    ['user', [AGES[0]!, { days: 61, orders: [ORDERS[1]] }]],
  ])(
    'every answer is the same, even its reason, where a reuse ends the %s',
    async (scope, ages) => {
      const databases = [await freshDatabase(), await freshDatabase()];
      const env = { REUSE_SCOPE: scope };
      const apps = await Promise.all(databases.map((database) => startTestApplication({ database, env })));
      try {
        const [without, withCleanUp] = await Promise.all([
          script(apps[0]!, ages, async () => undefined),
          script(apps[1]!, ages, () => cleanUp(apps[1]!)),
        ]);
        expect(withCleanUp).toEqual(without);
        expect(without.length).toBe(ages.flatMap(({ orders }) => orders).length * 2 * 11);
        // The runs differ in what is left of them.
        const [left, kept] = [await cleanUp(apps[1]!, true), await cleanUp(apps[0]!, true)];
        expect([left.sessions, kept.sessions]).toEqual([0, 2 * ages.at(-1)!.orders.length]);
      } finally {
        await Promise.all(apps.map((app) => app.close()));
        await Promise.all(databases.map((database) => database.close()));
      }
    },
    60_000,
  );
});
