import { randomBytes } from 'node:crypto';
import { Logger } from '@nestjs/common';
import fc from 'fast-check';
import { v7 as uuidv7 } from 'uuid';
import type { AuthOptions } from '../../src';
import { HostUsers } from '../../src/auth/application/host-users';
import { RefreshJudge } from '../../src/auth/application/refresh/refresh-judge';
import { TokenPairIssuer } from '../../src/auth/application/token-pair.issuer';
import { digestOf, RefreshTokenKeyRing } from '../../src/auth/domain/refresh-token';
import { NoMetrics } from '../../src/auth/infrastructure/defaults/no-metrics';
import { JwtAccessTokenSigner } from '../../src/auth/infrastructure/jwt/jwt-access-token.signer';
import { AccessTokenAuthenticator } from '../../src/guard/access-token.authenticator';
import { RevocationView } from '../../src/guard/revocation.view';
import { CUT_OFF_MODES } from '../../src/guard/versions';
import {
  InMemoryAuthEventLog,
  InMemoryRevocationFeed,
  InMemorySecurityPolicyRepository,
  InMemorySessionRepository,
  InMemoryStore,
  InMemoryUserDirectory,
  MovableClock,
} from '../../src/testing';
import { newSession, newUser } from '../ports/adapters';

const NOW = new Date('2026-01-31T12:00:00.000Z');
const options = {
  accessTokenKeys: [{ kid: 'a', secret: randomBytes(32) }],
  accessTokenIssuer: 'issuer',
  accessTokenAudience: 'audience',
  accessTokenTtlSeconds: 900,
  maxStalenessSeconds: 60,
  securityCacheTtlSeconds: 60,
  replayWindowSeconds: 10,
  maxReplays: 20,
  retryKeys: true,
  refreshTokenTtlSeconds: 600,
  emailClaim: false,
} as unknown as AuthOptions;
const keys = new RefreshTokenKeyRing([{ id: 1, root: randomBytes(32) }]);
const signer = new JwtAccessTokenSigner(options);

const version = fc.integer({ min: 1, max: 4 });
const facts = fc.record({
  tokenVersion: version,
  globalVersionAtIssuance: version,
  userMinTokenVersion: version,
  globalMinTokenVersion: version,
  mode: fc.constantFrom(...CUT_OFF_MODES),
  graceEndsInMs: fc.constantFrom(null, -1000, -1, 0, 1, 1000),
});

// Both clocks stand, so that a deadline is met to the millisecond.
beforeAll(() => {
  jest.useFakeTimers({ now: NOW, doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
});
afterAll(() => jest.useRealTimers());

// Seen red with a guard that has no grace, one that forgives the user's floor, one that compares with one maximum, and
// with an access token stamped with the floors.
it('a refresh and the guard judge the same session alike, whatever its stamps, the floors, the mode and the deadline', async () => {
  const store = new InMemoryStore(new MovableClock(NOW));
  const feed = new InMemoryRevocationFeed(store);
  const policies = new InMemorySecurityPolicyRepository(store, feed);
  const sessions = new InMemorySessionRepository(store, policies, new InMemoryAuthEventLog(store), feed);
  const users = new InMemoryUserDirectory(store);
  const pairs = new TokenPairIssuer(signer, keys, options);
  const view = new RevocationView(feed, options, new Logger(), new NoMetrics());
  const judge = new RefreshJudge(keys, sessions, new HostUsers(users), options, view);
  const authenticator = new AccessTokenAuthenticator(signer, view, options);
  await view.start();

  let [yes, no] = [0, 0];
  let past = 0; // a view never goes back, so each case has versions of its own
  await fc.assert(
    fc.asyncProperty(facts, async (given) => {
      // A stamp above the policy is no version to compare but a sign of a restored backup, and refused as a forgery.
      fc.pre(given.globalVersionAtIssuance <= given.globalMinTokenVersion);
      past += 10;
      const user = newUser();
      await users.add(user);
      const token = keys.first(uuidv7());
      const stamps = {
        tokenVersion: given.tokenVersion,
        globalVersionAtIssuance: past + given.globalVersionAtIssuance,
      };
      const session = await sessions.open(
        newSession({ ...stamps, id: token.sessionId, userId: user.id, tokenHash: digestOf(token), binding: null }),
      );
      for (let floor = 1; floor < given.userMinTokenVersion; floor++)
        await policies.raiseUserFloor(user.id, 'a test', null);
      store.policy = {
        ...(await policies.read()).policy,
        globalMinTokenVersion: past + given.globalMinTokenVersion,
        mode: given.mode,
        graceEndsAt: given.graceEndsInMs === null ? null : new Date(NOW.getTime() + given.graceEndsInMs),
      };
      await feed.announce([], 'a test', store.policy);
      // As if it was issued before the rotation, without the cap of a drain: the rule must refuse it, not its expiry.
      const before = { globalMinTokenVersion: 1, mode: 'immediate', graceEndsAt: null } as const;
      const { accessToken } = await pairs.issue(user, token, session, session, { floors: before, now: NOW });

      const judgement = await judge.judge(
        { refreshToken: keys.seal(token), retryKey: undefined, delivery: 'body' },
        undefined,
      );
      const refusal = 'reason' in judgement.decision ? judgement.decision.reason : null;
      const principal = await authenticator.authenticate(accessToken);
      expect([refusal, principal?.sessionId]).toEqual(
        judgement.granted ? [null, session.id] : ['token_version_rejected', undefined],
      );
      if (judgement.granted) yes++;
      else no++;
      Object.assign(store, { sessions: new Map(), users: new Map(), userFloors: new Map() });
    }),
    { numRuns: 1000 },
  );
  await view.stop();
  expect(Math.min(yes, no)).toBeGreaterThan(100);
});
