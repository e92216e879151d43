import { startTestApplication, type TestApplication } from '../support/app/test-application';
import { httpDriver, SETTINGS } from './http.driver';
import { expectModelToHold } from './model';

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
