import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import {
  Attempt,
  AuthTokenRefreshAttempted,
  AuthTokenRefreshSucceeded,
  type LiveToken,
  type NewSession,
  type NextToken,
  type RefreshRecord,
  type RevocationFeed,
  type RevocationReading,
  type Session,
  type UserWithPassword,
} from '../../index';

export const newSession = (changes: Partial<NewSession> = {}): NewSession => ({
  id: uuidv7(),
  userId: uuidv7(),
  tokenHash: randomBytes(32),
  keyId: 1,
  delivery: 'body',
  deviceId: 'phone',
  deviceName: "Ann's phone",
  userAgent: 'login agent',
  ipAddress: '192.0.2.1',
  tokenVersion: 1,
  globalVersionAtIssuance: 1,
  authTime: new Date('2026-01-31T12:00:00.123Z'),
  amr: ['pwd', 'a "quoted", one'],
  acr: 'aal1',
  claims: { tenant: 'a', rights: ['read', 1.5, null, { deep: true }] },
  binding: { kind: 'dpop', jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' },
  idleTtlSeconds: 600,
  absoluteTtlSeconds: 3600,
  ...changes,
});

export const newUser = (changes: Partial<UserWithPassword> = {}): UserWithPassword => {
  const id = uuidv7();
  return { id, email: `${id}@example.com`, passwordHash: 'a hash', roles: ['user'], isActive: true, ...changes };
};

/** The next token of a session; its expiry is a minute before the absolute one. */
export const nextToken = (session: Session, changes: Partial<NextToken> = {}): NextToken => ({
  tokenHash: randomBytes(32),
  successorNonce: randomBytes(16),
  keyId: 2,
  retryKeyHash: null,
  tokenVersion: 1,
  globalVersionAtIssuance: 1,
  expiresAt: new Date(session.absoluteExpiresAt.getTime() - 60_000),
  userAgent: 'refresh agent',
  ipAddress: '2001:db8::1',
  ...changes,
});

/** The record of one refresh that changes `session`. */
export function refreshRecord(session: LiveToken & { userId: string }, replayed = false): RefreshRecord {
  const attempt = new Attempt({ ip: '2001:db8::1', userAgent: 'refresh agent' }, new Date());
  const subject = { userId: session.userId, sessionId: session.id, generation: session.generation };
  return [
    new AuthTokenRefreshAttempted(attempt.beginning(subject)),
    new AuthTokenRefreshSucceeded(attempt.ending({ ...subject, generation: session.generation + 1 }), replayed, null, {
      deviceId: 'tablet',
    }),
  ];
}

/** A reading with the revocations of all its pages. */
export async function readAll(feed: RevocationFeed, horizon: bigint | null): Promise<RevocationReading> {
  const first = await feed.read(horizon);
  const revocations = [...first.revocations];
  for (let { nextPage } = first; nextPage !== undefined;) {
    const page = await feed.read(horizon, nextPage);
    revocations.push(...page.revocations);
    nextPage = page.nextPage;
  }
  return { ...first, revocations };
}
