import { startTestApplication, type TestApplication } from '../support/app/test-application';
import { httpDriver, SETTINGS } from './http.driver';
import { expectBranchesToEnd, expectModelToHold, FAILOVER_STEPS } from './model';

/** In full: `MODEL_SEQUENCES=1000 npm run test:model`. */
const SEQUENCES = Number(process.env.MODEL_SEQUENCES ?? 100);

let app: TestApplication;
beforeAll(async () => {
  app = await startTestApplication({ env: SETTINGS });
});
afterAll(() => app.close());

it(
  'over HTTP and PostgreSQL, too, every answer is the one of the book',
  async () => {
    await expectModelToHold(async () => httpDriver(app), { numRuns: SEQUENCES }, 40);
  },
  SEQUENCES * 30_000,
);

it(
  'over HTTP and PostgreSQL, too, failovers sign out nobody who keeps the rule',
  async () => {
    await expectModelToHold(async () => httpDriver(app), { numRuns: SEQUENCES }, 40, FAILOVER_STEPS);
  },
  SEQUENCES * 30_000,
);

it(
  'over HTTP and PostgreSQL, too, a session of two branches ends in a recovery epoch',
  async () => {
    await expectBranchesToEnd(async () => httpDriver(app), { numRuns: SEQUENCES });
  },
  SEQUENCES * 10_000,
);
