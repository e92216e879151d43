import { validationPipe } from '../../src/auth/http';
import { FindAuditEventsDto } from '../../src/audit/find-audit-events.dto';

const ID = '01980000-0000-7000-8000-00000000abcd';

// Seen red with ids as they were written. PostgreSQL reads both; whatever log a host puts in its place need not.
it.each(['sessionId', 'attemptId'])('the audit trail is searched by %s in lower case', async (name) => {
  const query = await validationPipe().transform(
    { [name]: ID.toUpperCase() },
    { type: 'query', metatype: FindAuditEventsDto },
  );
  expect(query).toEqual({ [name]: ID });
});

it('the audit trail is searched by a user id as it is written', async () => {
  const query = { userId: ID.toUpperCase() };
  expect(await validationPipe().transform(query, { type: 'query', metatype: FindAuditEventsDto })).toEqual(query);
});
