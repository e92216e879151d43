import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { RecoverAfterFailoverCommand, RevocationView, ValidateRefreshTokenQuery } from '../../src';
import { startTestApplication, type Answer, type TestApplication } from '../support/app/test-application';
import { granted, refusedFor } from '../support/result';
import { asAdmin, policyOf, rotateUser } from './support/administration';
import {
  type Chain,
  expectTrail,
  forge,
  newRetryKey,
  openChain,
  present,
  putBack,
  rowOf,
  snapshotOf,
  TRUSTING,
} from './support/sessions';

const FORGERY = 'auth.token.forgery_suspected.v1';
const REUSE = 'auth.token.reuse_detected.v1';
const REVOKED = 'auth.session.revoked.v1';

let app: TestApplication;
beforeAll(async () => {
  app = await startTestApplication({ env: { ...TRUSTING, REUSE_ESCALATION_THRESHOLD: '1000' } });
});
afterAll(() => app.close());

const declare = (body: object = { reason: 'db1 is gone' }): Promise<Answer> =>
  asAdmin(app, 'POST', '/admin/security/recovery', body);
const epoch = (forSeconds: number) =>
  app.app.get(CommandBus).execute(new RecoverAfterFailoverCommand('a test', forSeconds));
const validate = (token: string) => app.app.get(QueryBus).execute(new ValidateRefreshTokenQuery(token));

/** A session whose last `commits` refreshes a failover has lost; the client has seen their answers. */
async function lost(commits: number, before = 1): Promise<Chain & { readonly branch: string }> {
  const chain = await openChain(app, before);
  const row = await snapshotOf(app, chain.sessionId);
  const tokens: [string, ...string[]] = [...chain.tokens];
  for (let commit = 0; commit < commits; commit++) tokens.push((await app.refresh(tokens.at(-1)!)).body.refreshToken);
  await putBack(app, chain.sessionId, row);
  return { ...chain, tokens, current: tokens.at(-1)!, branch: chain.current };
}

describe('A recovery epoch', () => {
  beforeEach(() => epoch(3600));
  afterEach(() => epoch(0));

  // Seen red with a row that keeps its own generation and digest.
  it.each([1, 3, 16])('adopts a token that is %d generations ahead of its session, and records it', async (ahead) => {
    const { current, sessionId, account } = await lost(ahead);
    const before = await rowOf(app, sessionId);
    expect(before.generation).toBe(1);
    expect(granted(await validate(current))).toMatchObject({ sessionId, userId: account.id, generation: 1 + ahead });

    const { answer, trail } = await present(app, current);
    expect(answer).toMatchObject({ status: 200, body: { sessionId, generation: ahead + 2 } });
    expectTrail(trail, { reason: null, details: { adoptedAhead: ahead } });
    expect(trail.map(({ generation }) => Number(generation))).toEqual([ahead + 1, ahead + 2]);
    const after = await rowOf(app, sessionId);
    expect(after).toMatchObject({ generation: ahead + 2, replay_count: 0, keyed: false, revoked_at: null });
    expect(after.rotated_at).toEqual(after.last_used_at);
    expect(after.rotated_at.getTime()).toBeGreaterThan(before.rotated_at.getTime());
    expect(after.expires_at.getTime()).toBeGreaterThan(before.expires_at.getTime());

    // And the chain goes on, its retries as ever.
    expect((await app.refresh(current)).body).toMatchObject({ refreshToken: answer.body.refreshToken });
    const next = await app.refresh(answer.body.refreshToken);
    expect(next).toMatchObject({ status: 200, body: { generation: ahead + 3 } });
    expect(await app.get('/auth/me', next.body.accessToken)).toMatchObject({ status: 200 });
  });

  it('adopts with the retry key, by which the retry is answered after the window, too', async () => {
    const { current, sessionId } = await lost(2);
    const retryKey = newRetryKey();
    const { body } = await app.refresh(current, retryKey);
    expect(await rowOf(app, sessionId)).toMatchObject({ keyed: true, generation: 4 });
    await app.query(`UPDATE sessions SET rotated_at = rotated_at - interval '1 hour' WHERE id = $1`, [sessionId]);
    expect((await app.refresh(current, retryKey)).body.refreshToken).toBe(body.refreshToken);
  });

  it('adopts once, of several requests with the token at once: the others get the same successor', async () => {
    const { current, sessionId } = await lost(2);
    const answers = await Promise.all(Array.from({ length: 8 }, () => app.refresh(current)));
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.refreshToken}`)).size).toBe(1);
    const trail = (await app.events({ sessionId })).filter(({ details }) => details.adoptedAhead !== undefined);
    expect(trail.map(({ details }) => details)).toEqual([{ adoptedAhead: 2 }]);
  });

  it('counts what it adopts', async () => {
    const count = async () =>
      Number(/^ratchet_refresh_total\{outcome="adopted"\} (\d+)$/m.exec((await app.get('/metrics')).body)?.[1] ?? 0);
    const before = await count();
    await app.refresh((await lost(1)).current);
    expect(await count()).toBe(before + 1);
  });

  it('heals a second failover like the first', async () => {
    const { current, sessionId } = await lost(2);
    const row = await snapshotOf(app, sessionId);
    let token = (await app.refresh(current)).body.refreshToken;
    token = (await app.refresh(token)).body.refreshToken;
    await putBack(app, sessionId, row);
    expect(await app.refresh(token)).toMatchObject({ status: 200, body: { generation: 6 } });
  });

  // Seen red with row 3, and with row 5a, as without an epoch.
  it.each([
    ['level', 1, 0],
    ['one behind', 2, 1],
  ])('ends a session when the token of its other branch comes: %s', async (_where, moves, behind) => {
    const { branch, current, sessionId } = await lost(1);
    let token = branch;
    for (let move = 0; move < moves; move++) token = (await app.refresh(token)).body.refreshToken;
    expect(refusedFor(await validate(current))).toEqual({ kind: 'refused', reason: 'token_revoked' });

    const { answer, trail } = await present(app, current);
    expect(answer).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
    expectTrail(trail, { findings: [REUSE, REVOKED], reason: 'token_revoked' });
    expect(trail[1].details).toMatchObject({ reuseClass: 'other_branch', generationsBehind: behind });
    expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: 'reuse_detected' });
    expect(await app.refresh(token)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
    expect(await app.refresh(current)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
  });

  it('ends it, too, when the other branch is older than what was adopted', async () => {
    const { branch, current, sessionId } = await lost(3);
    const thief = (await app.refresh(branch)).body.refreshToken;
    expect(await app.refresh(current)).toMatchObject({ status: 200, body: { generation: 5 } });
    expect(await app.refresh(thief)).toMatchObject({ status: 401 });
    expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: 'reuse_detected' });
  });

  it('adopts nothing that is 17 generations ahead', async () => {
    const { current } = await openChain(app, 1);
    const { answer, trail } = await present(app, forge(app, current, { generation: 18 }));
    expect(answer).toMatchObject({ status: 401, body: { code: 'token_invalid' } });
    expectTrail(trail, { findings: [FORGERY], reason: 'token_invalid' });
    expect(await present(app, forge(app, current, { generation: 17 }))).toMatchObject({ answer: { status: 200 } });
  });

  // Seen red with an adoption past the floors.
  it.each<[string, string, (chain: Chain) => Promise<unknown>]>([
    [
      'token_revoked',
      'session that has ended',
      ({ sessionId }) =>
        app.query(`UPDATE sessions SET revoked_at = now(), revoked_reason = 'user_logout' WHERE id = $1`, [sessionId]),
    ],
    [
      'token_expired',
      'session past its limit',
      ({ sessionId }) => app.query('UPDATE sessions SET expires_at = now() WHERE id = $1', [sessionId]),
    ],
    ['token_version_rejected', 'session below its user’s floor', ({ account }) => rotateUser(app, account.id)],
    [
      'user_inactive',
      'user who is inactive',
      ({ account }) => app.query('UPDATE users SET is_active = false WHERE id = $1', [account.id]),
    ],
  ])('adopts no token, for %s, of a %s', async (code, _of, happened) => {
    const chain = await lost(2);
    await happened(chain);
    const { answer, trail } = await present(app, chain.current);
    expect(answer).toMatchObject({ status: 401, body: { code } });
    expect(trail.map(({ type }) => type)).not.toContain(FORGERY);
    expect((await rowOf(app, chain.sessionId)).generation).toBe(1);
  });

  it('is over at its end: then a token that is ahead is a forgery again', async () => {
    const { current, sessionId } = await lost(2);
    await epoch(0);
    const before = await rowOf(app, sessionId);
    const { answer, trail } = await present(app, current);
    expect(answer).toMatchObject({ status: 401, body: { code: 'token_invalid' } });
    expectTrail(trail, { findings: [FORGERY], reason: 'token_invalid' });
    expect(await rowOf(app, sessionId)).toEqual(before);
  });
});

describe('POST /admin/security/recovery', () => {
  afterAll(() => epoch(0));

  it('opens an epoch of a day, and moves its end when repeated, each with its record', async () => {
    await epoch(0);
    const { recovery_until: previous, ...policy } = await policyOf(app);
    const first = await declare();
    expect(first.status).toBe(200);
    const { recovery_until: until, ...after } = await policyOf(app);
    expect(first.body).toEqual({ recoveryUntil: until.toISOString() });
    expect(after).toEqual(policy);
    expect(until.getTime() - previous.getTime()).toBeGreaterThanOrEqual(86_400_000);

    const moved = await declare({ reason: 'still out', forSeconds: 604_800 });
    const ends = (await policyOf(app)).recovery_until;
    expect(moved.body).toEqual({ recoveryUntil: ends.toISOString() });
    expect(ends.getTime()).toBeGreaterThan(until.getTime());
    const closed = await declare({ reason: 'all are back', forSeconds: 0 });
    const trail = (await app.events()).filter(({ type }) => type.startsWith('auth.recovery.'));
    const attemptedAndSucceeded = trail
      .slice(-6)
      .map(({ type, details: { actorId: _, ...details } }) => [type, details]);
    expect(attemptedAndSucceeded).toEqual([
      ['auth.recovery.attempted.v1', { cause: 'db1 is gone', forSeconds: 86_400 }],
      [
        'auth.recovery.succeeded.v1',
        { previousUntil: previous.toISOString(), recoveryUntil: first.body.recoveryUntil },
      ],
      ['auth.recovery.attempted.v1', { cause: 'still out', forSeconds: 604_800 }],
      [
        'auth.recovery.succeeded.v1',
        { previousUntil: first.body.recoveryUntil, recoveryUntil: moved.body.recoveryUntil },
      ],
      ['auth.recovery.attempted.v1', { cause: 'all are back', forSeconds: 0 }],
      [
        'auth.recovery.succeeded.v1',
        { previousUntil: moved.body.recoveryUntil, recoveryUntil: closed.body.recoveryUntil },
      ],
    ]);
  });
});

describe('While another database server has answered and no epoch is open', () => {
  let answered = false;
  beforeAll(() => {
    Object.defineProperty(app.app.get(RevocationView, { strict: false }), 'otherServerAnswered', {
      get: () => answered,
      configurable: true,
    });
  });
  beforeEach(async () => {
    await epoch(0);
    answered = true;
  });
  afterAll(() => Reflect.deleteProperty(app.app.get(RevocationView, { strict: false }), 'otherServerAnswered'));

  // Seen red with a refusal, and with a forgery in the record.
  it('a token that is ahead is answered with a 503, so that its client keeps it', async () => {
    const { current, sessionId, account } = await lost(2);
    const before = await rowOf(app, sessionId);
    const { answer, trail } = await present(app, current);
    expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable', recovery: 'retry' } });
    expect(Number(answer.headers.get('Retry-After'))).toBeGreaterThan(0);
    expectTrail(trail, { reason: 'recovery_pending' });
    for (const event of trail) expect(event).toMatchObject({ user_id: account.id, session_id: sessionId });
    expect(await rowOf(app, sessionId)).toEqual(before);
    await expect(validate(current)).rejects.toMatchObject({ retryAfterSeconds: expect.any(Number) });

    // The operator declares the epoch, and the client tries again.
    await epoch(3600);
    expect(await app.refresh(current)).toMatchObject({ status: 200, body: { generation: 4 } });
  });

  it('it is refused after the 15 minutes', async () => {
    const { current } = await lost(2);
    answered = false;
    expect(await app.refresh(current)).toMatchObject({ status: 401, body: { code: 'token_invalid' } });
  });

  it('everything else is answered as ever', async () => {
    const { current, branch, tokens } = await lost(2);
    const next = (await app.refresh(branch)).body.refreshToken;
    expect(await present(app, tokens[2]!)).toMatchObject({ answer: { status: 401, body: { code: 'token_invalid' } } });
    expect(await app.refresh(forge(app, current, { generation: 60 }))).toMatchObject({ status: 401 });
    expect(await app.refresh(next)).toMatchObject({ status: 200 });
  });
});
