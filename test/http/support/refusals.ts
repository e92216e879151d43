import { randomBytes, randomUUID } from 'node:crypto';
import type { TestApplication } from '../../support/app/test-application';
import { withOtherEnd } from '../../support/changed-texts';
import { age, type Chain, forge, sealElsewhere } from './sessions';

const DAY = 24 * 60 * 60;
const FORGERY = 'auth.token.forgery_suspected.v1';
const UNPROVEN = 'auth.token.proof_missing.v1';
const REUSE = 'auth.token.reuse_detected.v1';
const REJECTED = 'auth.token.rejected_due_to_rotation.v1';
export const REVOKED = 'auth.session.revoked.v1';

interface Refusal {
  readonly name: string;
  /** Brings the session into the state, and answers the token to present. */
  readonly arrange: (app: TestApplication, chain: Chain) => string | Promise<string>;
  readonly reason: string;
  readonly findings?: readonly string[];
  /** What the finding and the ending tell. */
  readonly evidence?: object;
  readonly details?: object;
  /** Why the refusal ends the session; without one it changes nothing. */
  readonly revokes?: string;
  /** No session is found, so its record knows no user. */
  readonly unknown?: true;
}

const sql = (statement: string, of: (chain: Chain) => string) => async (app: TestApplication, chain: Chain) => {
  await app.query(statement, [of(chain)]);
  return chain.current;
};
const sessionId = (chain: Chain) => chain.sessionId;
const userId = (chain: Chain) => chain.account.id;
const otherSecret = () => ({ secret: randomBytes(32) });

/** Every reason of the decision table, each in every way that leads to it. */
export const REFUSALS: readonly Refusal[] = [
  { name: 'no token at all', arrange: () => '', reason: 'token_invalid', unknown: true },
  {
    name: 'a seal of which one character differs',
    arrange: (_app, { current }) => withOtherEnd(current),
    reason: 'token_invalid',
    unknown: true,
  },
  {
    name: 'a key id that the ring lacks',
    arrange: (app, { current }) => sealElsewhere(app, current, 9),
    reason: 'token_invalid',
    unknown: true,
  },
  {
    name: "somebody else's key under our key id",
    arrange: (app, { current }) => sealElsewhere(app, current, 0),
    reason: 'token_invalid',
    unknown: true,
  },
  {
    name: 'a session that there is not',
    arrange: (app, { current }) => forge(app, current, { sessionId: randomUUID() }),
    reason: 'token_invalid',
    unknown: true,
  },
  {
    name: 'a session that came to be in a cookie',
    arrange: sql(`UPDATE sessions SET delivery = 'cookie' WHERE id = $1`, sessionId),
    reason: 'token_invalid',
  },
  {
    name: 'a session that is bound to a key, without a proof',
    arrange: sql(`UPDATE sessions SET binding = '{"kind":"dpop","jkt":"a thumbprint"}' WHERE id = $1`, sessionId),
    reason: 'proof_required',
    findings: [UNPROVEN],
  },
  {
    name: 'a generation that the row has not reached',
    arrange: (app, { current }) => forge(app, current, { generation: 4_000_000_000, ...otherSecret() }),
    reason: 'token_invalid',
    findings: [FORGERY],
    evidence: { evidence: 'generation_ahead', storedGeneration: 2 },
  },
  {
    name: 'a row stamped above the policy, as after a restored backup',
    arrange: sql(`UPDATE sessions SET global_version_at_issuance = 1000 WHERE id = $1`, sessionId),
    reason: 'token_invalid',
    findings: [FORGERY],
    evidence: { evidence: 'stamp_above_policy', storedGeneration: 2 },
  },
  {
    name: 'the current generation with another secret',
    arrange: (app, { current }) => forge(app, current, otherSecret()),
    reason: 'token_invalid',
    findings: [FORGERY],
    evidence: { evidence: 'digest_differs', storedGeneration: 2 },
  },
  {
    name: 'a session that was logged out',
    arrange: async (app, { current }) => {
      await app.post('/auth/logout', { refreshToken: current });
      return current;
    },
    reason: 'token_revoked',
    details: { revokedReason: 'user_logout' },
  },
  {
    name: 'an old generation of a session that an administrator ended: no theft',
    arrange: async (app, { sessionId, tokens }) => {
      await app.query(`UPDATE sessions SET revoked_at = now(), revoked_reason = 'admin_action' WHERE id = $1`, [
        sessionId,
      ]);
      return tokens[0];
    },
    reason: 'token_revoked',
    details: { revokedReason: 'admin_action' },
  },
  {
    name: 'the previous generation with another secret',
    arrange: (app, { tokens }) => forge(app, tokens[1]!, otherSecret()),
    reason: 'token_invalid',
    findings: [FORGERY],
    evidence: { evidence: 'digest_differs', storedGeneration: 2 },
  },
  {
    name: 'the predecessor after the window',
    arrange: async (app, { sessionId, tokens }) => {
      await age(app, sessionId, 11);
      return tokens[1]!;
    },
    reason: 'token_revoked',
    findings: [REUSE, REVOKED],
    evidence: { generationsBehind: 1, reuseClass: 'concurrent_late' },
    revokes: 'reuse_detected',
  },
  {
    name: 'an older generation',
    arrange: (_app, { tokens }) => tokens[0],
    reason: 'token_revoked',
    findings: [REUSE, REVOKED],
    evidence: { generationsBehind: 2, reuseClass: 'stale' },
    revokes: 'reuse_detected',
  },
  {
    name: 'an older generation of a session that has expired: still evidence',
    arrange: async (app, { sessionId, tokens }) => {
      await age(app, sessionId, 8 * DAY);
      return tokens[0];
    },
    reason: 'token_revoked',
    findings: [REUSE, REVOKED],
    evidence: { generationsBehind: 2, reuseClass: 'stale' },
    revokes: 'reuse_detected',
  },
  {
    name: 'a session that was idle for a week',
    arrange: async (app, { sessionId, current }) => {
      await age(app, sessionId, 7 * DAY);
      return current;
    },
    reason: 'token_expired',
  },
  {
    name: 'a session that reached its absolute limit',
    arrange: async (app, { sessionId, current }) => {
      await age(app, sessionId, 30 * DAY);
      return current;
    },
    reason: 'token_expired',
  },
  { name: 'a user who is gone', arrange: sql('DELETE FROM users WHERE id = $1', userId), reason: 'user_not_found' },
  {
    name: "a session below its user's floor",
    arrange: sql(
      `INSERT INTO user_token_versions (user_id, min_token_version, reason) VALUES ($1, 7, 'a test')`,
      userId,
    ),
    reason: 'token_version_rejected',
    findings: [REJECTED, REVOKED],
    evidence: { rejectionReason: 'user_rotation', tokenVersion: 1, requiredVersion: 7 },
    revokes: 'token_version_rejected',
  },
  {
    name: 'a user who is inactive',
    arrange: sql('UPDATE users SET is_active = false WHERE id = $1', userId),
    reason: 'user_inactive',
    findings: [REVOKED],
    revokes: 'user_deactivated',
  },
  // Last, since it is for everyone.
  {
    name: 'a session below the global floor',
    arrange: async (app, { current }) => {
      await app.query('UPDATE security_policy SET global_min_token_version = global_min_token_version + 1');
      return current;
    },
    reason: 'token_version_rejected',
    findings: [REJECTED, REVOKED],
    evidence: { rejectionReason: 'global_rotation', tokenVersion: 1, requiredVersion: 2 },
    revokes: 'token_version_rejected',
  },
];
