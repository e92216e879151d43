import { RevocationView } from '../../src';
import { startTestApplication } from '../support/app/test-application';
import { freshDatabase } from '../support/database/test-database';

const MANY = 1_000_000;

// Seen red with one statement for all: it was cut off after 5 s, each time, and the instance answered 503 for ever.
it('an instance starts although a million sessions were ended just now, and knows them all', async () => {
  const database = await freshDatabase();
  const dataSource = await database.connect(1);
  const idOf = (number: number) => `00000000-0000-7000-8000-${String(number).padStart(12, '0')}`;
  for (let batch = 0; batch < 10; batch++) {
    await dataSource.query(
      `INSERT INTO revocations (kind, subject_id, reason)
       SELECT 'session', '00000000-0000-7000-8000-' || lpad(number::text, 12, '0'), 'user_logout'
         FROM generate_series($1::integer, $2::integer) AS number`,
      [(batch * MANY) / 10, ((batch + 1) * MANY) / 10 - 1],
    );
  }
  const application = await startTestApplication({ database });
  try {
    const view = application.app.get(RevocationView);
    expect(view.currentPolicy()).toMatchObject({ globalMinTokenVersion: 1 });
    let known = 0;
    for (let number = 0; number < MANY; number++) if (view.isRevoked(idOf(number))) known++;
    expect(known).toBe(MANY);
    expect((await application.get('/health/ready')).status).toBe(200);
  } finally {
    await application.close();
    await database.close();
  }
}, 120_000);
