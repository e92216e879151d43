import {
  type AuthEvent,
  AuthTokenRefreshAttempted,
  AuthTokenRefreshFailed,
  AuthTokenRefreshSucceeded,
  type ChangedDevice,
  type FaultReason,
  RefreshTokenReuseDetected,
  SessionRevoked,
  TokenForgerySuspected,
  TokenProofMissing,
  TokenRejectedDueToRotation,
} from '../../domain/events';
import type {
  RefreshDecision,
  RefreshDenial,
  RefreshFacts,
  RefreshGrant,
  RefreshSession,
} from '../../domain/refresh-decision';
import type { RefreshToken } from '../../domain/refresh-token';
import type { RefreshRefusal } from '../../domain/refusals';
import type { RefreshRecord } from '../../ports/session.repository';
import type { Attempt, Subject } from '../attempt';

/** The record of a refresh that is granted. `generation` is the successor's. */
export function recordOfGrant(
  attempt: Attempt,
  presented: RefreshToken,
  session: RefreshSession,
  decision: RefreshGrant,
): RefreshRecord {
  const { userId, id: sessionId } = session;
  const replayed = decision.outcome === 'replay';
  return [
    new AuthTokenRefreshAttempted(attempt.beginning({ userId, sessionId, generation: presented.generation })),
    new AuthTokenRefreshSucceeded(
      attempt.ending({ userId, sessionId, generation: presented.generation + 1 }),
      replayed,
      replayed ? decision.door : null,
      changedDevice(attempt, session),
      replayed ? null : decision.adoptedAhead,
    ),
  ];
}

/** The record of a refresh that is refused or put off: what was found, what was revoked, and the one ending. */
export function recordOfDenial(
  attempt: Attempt,
  presented: RefreshToken | null,
  facts: RefreshFacts | null,
  decision: RefreshDenial,
): AuthEvent[] {
  const session = facts?.session ?? null;
  const subject = subjectOf(presented, session);
  const ended = decision.outcome === 'refuse' ? decision.ended : null;
  return [
    new AuthTokenRefreshAttempted(attempt.beginning(subject)),
    ...findingsOf(attempt, presented, facts, decision),
    new AuthTokenRefreshFailed(attempt.ending(subject), decision.reason, ended),
  ];
}

/** What was found out about a token that is refused, and what was revoked. */
export function findingsOf(
  attempt: Attempt,
  presented: RefreshToken | null,
  facts: RefreshFacts | null,
  decision: RefreshDenial,
): AuthEvent[] {
  const subject = subjectOf(presented, facts?.session ?? null);
  const events: AuthEvent[] = [];
  if (decision.outcome === 'refuse' && presented !== null && facts !== null) {
    if (decision.forgery)
      events.push(new TokenForgerySuspected(attempt.finding(subject), decision.forgery, facts.session.generation));
    if (decision.reason === 'proof_required') events.push(new TokenProofMissing(attempt.finding(subject)));
    if (decision.rejection) events.push(new TokenRejectedDueToRotation(attempt.finding(subject), decision.rejection));
    if (decision.revoke === 'reuse_detected') events.push(reuseDetected(attempt, presented, facts, decision.holders));
    if (decision.revoke) events.push(new SessionRevoked(attempt.finding(subject), decision.revoke));
  }
  return events;
}

/** The record of a refresh that failed with a fault, before or after its session was read. */
export const recordOfFault = (
  attempt: Attempt,
  presented: RefreshToken | null,
  session: RefreshSession | null,
  reason: FaultReason,
): AuthEvent[] => {
  const subject = subjectOf(presented, session);
  return [
    new AuthTokenRefreshAttempted(attempt.beginning(subject)),
    new AuthTokenRefreshFailed(attempt.ending(subject), reason),
  ];
};

/** The outcome under which metrics count a refresh. */
export function outcomeOf(decision: RefreshDecision): string {
  if (decision.outcome === 'rotate') return decision.adoptedAhead === undefined ? 'rotated' : 'adopted';
  return decision.outcome === 'replay' ? `replayed_${decision.door}` : decision.reason;
}

/** What the caller learns of a denial. */
export const refusalOf = (denial: RefreshDenial): RefreshRefusal =>
  denial.outcome === 'wait'
    ? { kind: 'wait', reason: denial.reason, retryAfterSeconds: denial.retryAfterSeconds }
    : { kind: 'refused', reason: denial.reason };

/** Whom the record is about, as far as the token and the session tell. */
export const subjectOf = (presented: RefreshToken | null, session: RefreshSession | null): Subject => ({
  userId: session?.userId ?? null,
  sessionId: presented?.sessionId ?? null,
  generation: presented?.generation ?? null,
});

function reuseDetected(
  attempt: Attempt,
  presented: RefreshToken,
  { session, now }: RefreshFacts,
  holders: 'other_branch' | 'other_key' | undefined,
): RefreshTokenReuseDetected {
  const { ipAddress, userAgent, deviceId } = attempt.client;
  const behind = session.generation - presented.generation;
  return new RefreshTokenReuseDetected(
    attempt.finding({ userId: session.userId, sessionId: session.id, generation: presented.generation }),
    behind,
    Math.floor((now.getTime() - (session.rotatedAt ?? now).getTime()) / 1000),
    holders ?? (behind === 1 ? 'concurrent_late' : 'stale'),
    {
      ipAddress: session.lastIpAddress,
      userAgent: session.lastUserAgent,
      at: session.lastUsedAt.toISOString(),
      deviceId: session.deviceId,
    },
    { ipAddress, userAgent, at: now.toISOString(), deviceId },
  );
}

/** Device fields of the refresh that differ from the login's: they are recorded, but the row keeps the login's. */
function changedDevice({ client }: Attempt, session: RefreshSession): ChangedDevice | null {
  const deviceId = client.deviceId === session.deviceId ? null : client.deviceId;
  const deviceName = client.deviceName === session.deviceName ? null : client.deviceName;
  if (deviceId === null && deviceName === null) return null;
  return { ...(deviceId !== null && { deviceId }), ...(deviceName !== null && { deviceName }) };
}
