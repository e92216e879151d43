import { QueryBus } from '@nestjs/cqrs';
import { ValidateRefreshTokenQuery } from '../../src';
import { REFUSALS } from '../http/support/refusals';
import { newRetryKey, openChain, present, rowOf, TRUSTING } from '../http/support/sessions';
import { startTestApplication, type TestApplication } from '../support/app/test-application';
import { granted, refusedFor } from '../support/result';

let app: TestApplication;
beforeAll(async () => {
  app = await startTestApplication({ env: { ...TRUSTING, REFRESH_MAX_REPLAYS: '1' } });
});
afterAll(() => app.close());

/** Everything that a refresh could change. */
const everything = () =>
  Promise.all(
    ['sessions', 'auth_events', 'user_token_versions', 'security_policy', 'users'].map((table) =>
      app.query(`SELECT * FROM ${table} ORDER BY 1, 2`),
    ),
  );

/** What the query answers; and that it has done nothing. */
async function validate(refreshToken: string, retryKey?: string) {
  const before = await everything();
  const result = await app.app.get(QueryBus).execute(new ValidateRefreshTokenQuery(refreshToken, retryKey));
  expect(await everything()).toEqual(before);
  return result;
}

// Seen red: a query that revokes what the refresh would.
describe('Asked whether a refresh token is valid, auth changes nothing and answers', () => {
  // It asks for no proof, which only a request has.
  it.each(REFUSALS.filter(({ reason }) => reason !== 'proof_required'))(
    '$reason for $name, as the refresh after it',
    async ({ arrange, reason }) => {
      const token = await arrange(app, await openChain(app, 2));
      expect(refusedFor(await validate(token))).toEqual({ kind: 'refused', reason });
      expect((await present(app, token)).answer).toMatchObject({ status: 401, body: { code: reason } });
    },
  );

  it('whose it is and until when, for the current token and for a predecessor that would be replayed', async () => {
    const retryKey = newRetryKey();
    const { sessionId, account, tokens, current } = await openChain(app, 1, { retryKey });
    const { expires_at: expiresAt } = await rowOf(app, sessionId);
    const valid = { userId: account.id, sessionId, generation: 1, expiresAt, binding: null };
    expect(granted(await validate(current))).toEqual(valid);
    expect(granted(await validate(tokens[0], retryKey))).toEqual(valid);
    expect(await app.refresh(tokens[0], retryKey)).toMatchObject({ status: 200, body: { refreshToken: current } });
    expect(await app.refresh(current, newRetryKey())).toMatchObject({ status: 200, body: { generation: 2 } });
  });

  it('of a bound session what a refresh with a proof would be answered, and the key', async () => {
    const { sessionId, tokens, current } = await openChain(app, 2);
    const binding = { kind: 'dpop', jkt: 'a thumbprint' };
    await app.query('UPDATE sessions SET binding = $2 WHERE id = $1', [sessionId, JSON.stringify(binding)]);
    for (const token of [current, tokens[1]!])
      expect(granted(await validate(token))).toMatchObject({ sessionId, generation: 2, binding });
  });

  it('that a replay has to wait, without the key and beyond the cap', async () => {
    const keyed = await openChain(app, 1, { retryKey: newRetryKey() });
    const wait = { kind: 'wait', retryAfterSeconds: 1 };
    expect(refusedFor(await validate(keyed.tokens[0]))).toEqual({ ...wait, reason: 'replay_refused' });

    const keyless = await openChain(app, 1);
    for (let time = 0; time < 3; time++) expect((await validate(keyless.tokens[0])).ok).toBe(true);
    expect(await app.refresh(keyless.tokens[0])).toMatchObject({ status: 200 });
    expect(refusedFor(await validate(keyless.tokens[0]))).toEqual({ ...wait, reason: 'too_many_replays' });
  });

  it('that a token of the body is none from a cookie', async () => {
    const { current } = await openChain(app);
    const query = new ValidateRefreshTokenQuery(current, undefined, 'cookie');
    expect(refusedFor(await app.app.get(QueryBus).execute(query))).toEqual({
      kind: 'refused',
      reason: 'token_invalid',
    });
  });
});
