import { decodeJwt } from 'jose';
import { SessionRepository } from '../../src';
import { startTestApplication, type Answer, type Json, type TestApplication } from '../support/app/test-application';
import { gate } from '../support/gate';
import {
  asAdmin,
  changePassword,
  guardsClockPasses,
  moveDeadline,
  policyOf,
  rotateAll,
  rotateUser,
  statusOfMe,
} from './support/administration';
import { intercept } from './support/intercept';
import { expectTrail, openChain, present, rowOf, TRUSTING, userFloorOf } from './support/sessions';

const REJECTED = 'auth.token.rejected_due_to_rotation.v1';
const REVOKED = 'auth.session.revoked.v1';
const HOUR = 3600;

describe('Versions', () => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await startTestApplication({ env: TRUSTING });
  });
  afterAll(() => app.close());

  interface Login {
    readonly account: { readonly id: string; readonly email: string; readonly password: string };
    readonly pair: Json;
  }
  const signIn = async (account?: Login['account']): Promise<Login> => {
    const known = account ?? (await app.register());
    const { status, body } = await app.logIn(known);
    expect(status).toBe(200);
    return { account: known, pair: body };
  };
  const version = async (): Promise<number> => (await policyOf(app)).global_min_token_version;
  const stampsOf = async (sessionId: string) => {
    const { token_version, global_version_at_issuance } = await rowOf(app, sessionId);
    return { uv: token_version, gv: global_version_at_issuance };
  };
  const claimsOf = (pair: Json) => {
    const { uv, gv } = decodeJwt(pair.accessToken);
    return { uv, gv };
  };
  const refreshed = async (pair: Json): Promise<Json> => {
    const { status, body } = await app.refresh(pair.refreshToken);
    expect(status).toBe(200);
    return body;
  };
  const expectAlive = async (pair: Json): Promise<Json> => {
    expect(await statusOfMe(app, pair.accessToken)).toBe(200);
    const next = await refreshed(pair);
    expect(await statusOfMe(app, next.accessToken)).toBe(200);
    return next;
  };
  const expectRejected = (answer: Answer) =>
    expect(answer).toMatchObject({ status: 401, body: { code: 'token_version_rejected' } });
  /** Both of its tokens, each on its own way. */
  const expectDead = async (pair: Json) => {
    expect(await statusOfMe(app, pair.accessToken)).toBe(401);
    expectRejected(await app.refresh(pair.refreshToken));
  };

  describe('are two counters', () => {
    it('and a user who is raised is refused although the global one is higher', async () => {
      await rotateAll(app);
      await rotateAll(app);
      const { account, pair } = await signIn();
      expect(await stampsOf(pair.sessionId)).toEqual({ uv: 1, gv: await version() });
      expect(await rotateUser(app, account.id)).toEqual({ userId: account.id, previousVersion: 1, newVersion: 2 });

      expect(await statusOfMe(app, pair.accessToken)).toBe(401);
      const { answer, trail } = await present(app, pair.refreshToken);
      expectRejected(answer);
      expectTrail(trail, { findings: [REJECTED, REVOKED], reason: 'token_version_rejected' });
      expect(trail[1].details).toEqual({ rejectionReason: 'user_rotation', tokenVersion: 1, requiredVersion: 2 });
    });

    // Seen red with one maximum in place of two comparisons.
    it('and a global rotation refuses a user whose own version is higher', async () => {
      const { account } = await signIn();
      const floor = (await version()) + 3;
      while ((await userFloorOf(app, account.id)) < floor) await rotateUser(app, account.id);
      const { pair } = await signIn(account);
      const { previousVersion, newVersion } = await rotateAll(app);
      expect(floor).toBeGreaterThan(newVersion);

      expect(await statusOfMe(app, pair.accessToken)).toBe(401);
      const { answer, trail } = await present(app, pair.refreshToken);
      expectRejected(answer);
      expect(trail[1].details).toEqual({
        rejectionReason: 'global_rotation',
        tokenVersion: previousVersion,
        requiredVersion: newVersion,
      });
    });

    it('and the record names the global one when both refuse', async () => {
      const { account, pair } = await signIn();
      await rotateUser(app, account.id);
      await rotateAll(app);
      const { trail } = await present(app, pair.refreshToken);
      expect(trail[1].details).toMatchObject({ rejectionReason: 'global_rotation', requiredVersion: await version() });
    });

    it('and a user who was raised signs in again, and refreshes three times', async () => {
      const { account } = await signIn();
      await rotateUser(app, account.id);
      let { pair } = await signIn(account);
      for (let generation = 1; generation <= 3; generation++) {
        pair = await expectAlive(pair);
        const stamps = { uv: 2, gv: await version() };
        expect([pair.generation, claimsOf(pair), await stampsOf(pair.sessionId)]).toEqual([generation, stamps, stamps]);
      }
    });

    it('and a refused session ends, which needs no word to the guards: its tokens are below a floor', async () => {
      const { account, pair } = await signIn();
      await rotateUser(app, account.id);
      await expectDead(pair);
      expect(await rowOf(app, pair.sessionId)).toMatchObject({ revoked_reason: 'token_version_rejected' });
      const announced = await app.query('SELECT kind FROM revocations WHERE subject_id = ANY ($1)', [
        [account.id, pair.sessionId],
      ]);
      expect(announced).toEqual([{ kind: 'user' }]);
      expect(await app.refresh(pair.refreshToken)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
    });
  });

  describe('stamp', () => {
    it('a login with both floors, and its access token with the stamps of its row', async () => {
      const { account } = await signIn();
      await rotateUser(app, account.id);
      await rotateAll(app);
      const { pair } = await signIn(account);
      const stamps = { uv: 2, gv: await version() };
      expect(await stampsOf(pair.sessionId)).toEqual(stamps);
      expect(claimsOf(pair)).toEqual(stamps);
    });

    it('a migrated session with the floors of the moment', async () => {
      const { pair } = await signIn();
      const { newVersion } = await rotateAll(app, { mode: 'migrate', gracePeriodSeconds: HOUR });
      const next = await refreshed(pair);
      expect([await stampsOf(pair.sessionId), claimsOf(next)]).toEqual([
        { uv: 1, gv: newVersion },
        { uv: 1, gv: newVersion },
      ]);
      expect(next.expiresIn).toBe(900);
    });

    // Seen red with the floors in the row, and with the floors in the access token alone.
    it('a drained session with its old global version, and its access token with that, too', async () => {
      const { pair } = await signIn();
      const { previousVersion } = await rotateAll(app, { mode: 'drain', gracePeriodSeconds: HOUR });
      const next = await refreshed(pair);
      expect([await stampsOf(pair.sessionId), claimsOf(next)]).toEqual([
        { uv: 1, gv: previousVersion },
        { uv: 1, gv: previousVersion },
      ]);
      const replay = await refreshed(pair);
      expect(claimsOf(replay)).toEqual({ uv: 1, gv: previousVersion });
    });
  });

  describe('in mode immediate', () => {
    it('end every token of before at once, and nothing of after', async () => {
      const { account, pair } = await signIn();
      const { mode, graceEndsAt } = await rotateAll(app);
      expect({ mode, graceEndsAt }).toEqual({ mode: 'immediate', graceEndsAt: null });
      await expectDead(pair);
      await expectAlive((await signIn(account)).pair);
    });

    it('end a grace period that runs', async () => {
      const { pair } = await signIn();
      await rotateAll(app, { mode: 'migrate', gracePeriodSeconds: HOUR });
      const current = (await signIn()).pair;
      await rotateAll(app);
      await expectDead(pair);
      await expectDead(current);
    });
  });

  describe.each(['drain', 'migrate'] as const)('in mode %s', (mode) => {
    it('honour tokens of the version before until the deadline, and not after it', async () => {
      const before = [await signIn(), await signIn()] as const;
      await rotateAll(app, { mode, gracePeriodSeconds: HOUR });
      await expectAlive(before[0].pair);

      await moveDeadline(app, -0.001);
      await expectDead(before[1].pair);
      await expectAlive((await signIn()).pair);
    });

    it('hold the deadline that the clock reaches by itself', async () => {
      const { account, pair } = await signIn();
      const { graceEndsAt } = await rotateAll(app, { mode, gracePeriodSeconds: 2 });
      expect(await statusOfMe(app, pair.accessToken)).toBe(200);
      await guardsClockPasses(app, new Date(graceEndsAt));
      await expectDead(pair);
      await expectAlive((await signIn(account)).pair);
    });

    // Seen red with a grace that forgives two versions.
    it('forgive one version: of two rotations inside one grace period, the first ends with the second', async () => {
      const oldest = [await signIn(), await signIn()] as const;
      await rotateAll(app, { mode, gracePeriodSeconds: HOUR });
      await expectAlive(oldest[0].pair);
      const between = await signIn();
      await rotateAll(app, { mode, gracePeriodSeconds: HOUR });
      await expectDead(oldest[1].pair);
      await expectAlive(between.pair);
    });

    // Seen red with a grace that forgives a user's floor, and with a floor that is announced to nobody.
    it('never forgive a password change: what it ended stays ended inside the grace', async () => {
      const { account, pair } = await signIn();
      const other = await signIn(account);
      await rotateAll(app, { mode, gracePeriodSeconds: HOUR });
      const { status, body } = await changePassword(app, pair.accessToken, account, 'another long passphrase');
      expect(status).toBe(200);

      for (const { accessToken, refreshToken } of [pair, other.pair]) {
        expect(await statusOfMe(app, accessToken)).toBe(401);
        expect(await app.refresh(refreshToken)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
      }
      expect(await stampsOf(body.sessionId)).toEqual({ uv: 2, gv: await version() });
      await moveDeadline(app, -0.001);
      await expectAlive(body);
    });

    it('never forgive a user rotation', async () => {
      const { account, pair } = await signIn();
      await rotateAll(app, { mode, gracePeriodSeconds: HOUR });
      await rotateUser(app, account.id);
      await expectDead(pair);
    });

    // Seen red with a change of the period that moves the deadline.
    it('keep the deadline when the default period is patched afterwards', async () => {
      const { pair } = await signIn();
      const { graceEndsAt } = await rotateAll(app, { mode, gracePeriodSeconds: 60 });
      const patched = await asAdmin(app, 'PATCH', '/admin/security', { gracePeriodSeconds: 24 * HOUR });
      expect(patched).toMatchObject({ status: 200, body: { gracePeriodSeconds: 24 * HOUR, graceEndsAt, mode } });
      expect((await policyOf(app)).grace_ends_at.toISOString()).toBe(graceEndsAt);
      await moveDeadline(app, -0.001);
      await asAdmin(app, 'PATCH', '/admin/security', { gracePeriodSeconds: 48 * HOUR });
      await expectDead(pair);
    });
  });

  describe('drain', () => {
    // Seen red with the floors stamped in drain, in the row and, on its own, in the access token of a replay.
    it.each([
      ['the successor', 0],
      ['a successor that a replay answered again', 1],
    ])('nobody outlives the deadline: %s dies with it', async (_which, replays) => {
      const { pair } = await signIn();
      await rotateAll(app, { mode: 'drain', gracePeriodSeconds: 600 });
      let successor = await refreshed(pair);
      for (let replay = 0; replay < replays; replay++) {
        const answered = await refreshed(pair);
        expect(answered.refreshToken).toBe(successor.refreshToken);
        successor = answered;
      }
      await asAdmin(app, 'PATCH', '/admin/security', { gracePeriodSeconds: 24 * HOUR });
      expect(await statusOfMe(app, successor.accessToken)).toBe(200);

      await moveDeadline(app, -0.001);
      await expectDead(successor);
    });

    // Seen red without the cap.
    it('no refresh moves an access token past the deadline', async () => {
      const chain = await openChain(app, 1);
      const { graceEndsAt } = await rotateAll(app, { mode: 'drain', gracePeriodSeconds: 100 });
      const deadline = Math.floor(new Date(graceEndsAt).getTime() / 1000);
      for (const token of [chain.current, chain.current]) {
        const { body } = await app.refresh(token);
        const { exp, iat } = decodeJwt(body.accessToken);
        expect(exp).toBe(deadline);
        expect(body.expiresIn).toBe(exp! - iat!);
        expect(body.expiresIn).toBeLessThanOrEqual(100);
        expect(body.refreshExpiresIn).toBeGreaterThan(HOUR);
      }
    });

    it('with a deadline beyond the life of an access token changes nothing of that life', async () => {
      const { pair } = await signIn();
      await rotateAll(app, { mode: 'drain', gracePeriodSeconds: HOUR });
      expect((await refreshed(pair)).expiresIn).toBe(900);
      expect((await signIn()).pair.expiresIn).toBe(900);
    });

    it('a migration that follows takes nobody along whom the drain had on its list', async () => {
      const { pair } = await signIn();
      await rotateAll(app, { mode: 'drain', gracePeriodSeconds: HOUR });
      const drained = await refreshed(pair);
      await rotateAll(app, { mode: 'migrate', gracePeriodSeconds: HOUR });
      await expectDead(drained);
    });
  });

  it('migrated, a session outlives the deadline', async () => {
    const { pair } = await signIn();
    await rotateAll(app, { mode: 'migrate', gracePeriodSeconds: HOUR });
    const next = await refreshed(pair);
    await moveDeadline(app, -0.001);
    expect(await statusOfMe(app, pair.accessToken)).toBe(401);
    await expectAlive(next);
  });

  // Seen red with an end that asks for nothing but the session: the first tab's new tokens are refused by nobody but the row.
  it('a tab that read its session just before another one migrated it does not end it', async () => {
    const { pair } = await signIn();
    await rotateAll(app, { mode: 'migrate', gracePeriodSeconds: HOUR });
    const decided = gate();
    const late = gate();
    const restore = [
      intercept(app, SessionRepository, 'rotate', async (proceed) => {
        decided.open();
        await late.opened;
        return proceed();
      }),
      intercept(app, SessionRepository, 'revoke', async (proceed) => {
        late.open();
        await first;
        return proceed();
      }),
    ];
    const first = app.refresh(pair.refreshToken);
    await decided.opened;
    await moveDeadline(app, -0.001);
    const second = await app.refresh(pair.refreshToken);
    for (const undo of restore) undo();

    const { status, body } = await first;
    expect([status, second]).toMatchObject([200, { status: 200, body: { refreshToken: body.refreshToken } }]);
    await expectAlive(body);
  });

  // Seen red with a deactivation among what a session that has moved on does not survive.
  it('a tab that read its user just before somebody let that user in again does not end what another tab refreshed', async () => {
    const { account, pair } = await signIn();
    const setActive = (isActive: boolean) =>
      app.query('UPDATE users SET is_active = $2 WHERE id = $1', [account.id, isActive]);
    await setActive(false);
    const [decided, over] = [gate(), gate()];
    const restore = intercept(app, SessionRepository, 'revoke', async (proceed) => {
      decided.open();
      await over.opened;
      return proceed();
    });
    const first = app.refresh(pair.refreshToken);
    await decided.opened;
    await setActive(true);
    const second = await app.refresh(pair.refreshToken);
    restore();
    over.open();
    const { status, body } = await first;
    expect([status, second]).toMatchObject([200, { status: 200, body: { refreshToken: body.refreshToken } }]);
    await expectAlive(body);
  });
});
