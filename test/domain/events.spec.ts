import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Attempt } from '../../src/auth/application/attempt';
import { recordOfDenial, recordOfFault, recordOfGrant } from '../../src/auth/application/refresh/refresh-record';
import {
  AccessDenied,
  AllSessionsRevoked,
  AuditRead,
  AUTH_EVENTS,
  type AuthEvent,
  classOf,
  GlobalRotationAttempted,
  GlobalRotationFailed,
  GlobalRotationSucceeded,
  LoginAttempted,
  LoginFailed,
  LoginSucceeded,
  LogoutAttempted,
  LogoutFailed,
  LogoutSucceeded,
  PasswordChangeAttempted,
  PasswordChangeFailed,
  PasswordChangeSucceeded,
  RecoveryAttempted,
  RecoveryFailed,
  RecoverySucceeded,
  PasswordResetAttempted,
  PasswordResetFailed,
  PasswordResetIssued,
  PasswordResetSucceeded,
  PasswordVerified,
  ReauthenticationAttempted,
  ReauthenticationFailed,
  ReauthenticationSucceeded,
  RefusalsAggregated,
  SecurityPolicyChanged,
  SessionCreated,
  SessionEvicted,
  SessionBindingRefused,
  SessionBound,
  SessionRenamed,
  SessionRevoked,
  UserActAsFailed,
  UserActedAs,
  UserDeactivated,
  UserFactorChanged,
  UserReactivated,
  UserRegistered,
  UserRolesChanged,
  UserRotationAttempted,
  UserRotationFailed,
  UserRotationSucceeded,
} from '../../src/auth/domain/events';
import type { RefreshDenial, RefreshFacts } from '../../src/auth/domain/refresh-decision';
import { digestOf, newSuccessorNonce, RefreshTokenKeyRing, retryKeyHashOf } from '../../src/auth/domain/refresh-token';

const now = new Date('2025-11-20T12:00:00.000Z');
const keys = new RefreshTokenKeyRing([{ id: 1, root: Buffer.alloc(32, 1) }]);
const presented = keys.first('0190a5c8-7b1a-7cde-8f01-23456789abcd');
const nonce = newSuccessorNonce();
const successor = keys.successor(presented, nonce);
const retryKey = 'the-retry-key-of-the-client';

const facts: RefreshFacts = {
  session: {
    id: presented.sessionId,
    userId: '0190a5c8-0000-7000-8000-000000000001',
    generation: 1,
    tokenHash: digestOf(successor),
    previousTokenHash: digestOf(presented),
    successorNonce: nonce,
    keyId: 1,
    retryKeyHash: retryKeyHashOf(retryKey),
    keyed: true,
    replayCount: 0,
    rotatedAt: new Date(now.getTime() - 60_000),
    tokenVersion: 1,
    globalVersionAtIssuance: 1,
    delivery: 'body',
    lastUsedAt: now,
    expiresAt: now,
    absoluteExpiresAt: now,
    revokedAt: null,
    revokedReason: null,
    deviceId: 'phone',
    deviceName: null,
    lastUserAgent: 'agent',
    lastIpAddress: '192.0.2.1',
    authTime: null,
    amr: null,
    acr: null,
    claims: null,
    binding: null,
  },
  floors: {
    userMinTokenVersion: 1,
    endedBelow: 0,
    endedReason: null,
    globalMinTokenVersion: 1,
    mode: 'immediate',
    graceEndsAt: null,
  },
  user: { id: '0190a5c8-0000-7000-8000-000000000001', email: 'ann@example.com', roles: ['user'], isActive: true },
  recoveryUntil: null,
  now,
};
const user = facts.user!;

const attempt = new Attempt({ ip: '192.0.2.2', userAgent: 'agent', deviceId: 'tablet', deviceName: 'Tablet' }, now);
const subject = { userId: user.id, sessionId: presented.sessionId, generation: 0 };

const denials: RefreshDenial[] = [
  { outcome: 'refuse', reason: 'token_revoked', revoke: 'reuse_detected' },
  { outcome: 'refuse', reason: 'token_revoked', revoke: 'reuse_detected', holders: 'other_branch' },
  { outcome: 'refuse', reason: 'token_invalid', forgery: 'digest_differs' },
  {
    outcome: 'refuse',
    reason: 'token_version_rejected',
    revoke: 'token_version_rejected',
    rejection: { rejectionReason: 'user_rotation', tokenVersion: 1, requiredVersion: 2 },
  },
  { outcome: 'refuse', reason: 'proof_required' },
  { outcome: 'wait', reason: 'replay_refused', retryAfterSeconds: 1 },
];

/** At least one of every class, those of a refresh as the refresh makes them. */
const samples: AuthEvent[] = [
  ...recordOfGrant(attempt, presented, facts.session, { outcome: 'rotate', user }),
  ...recordOfGrant(attempt, presented, facts.session, { outcome: 'rotate', user, adoptedAhead: 2 }),
  ...recordOfGrant(attempt, presented, facts.session, { outcome: 'replay', door: 'key', user }),
  ...denials.flatMap((denial) => recordOfDenial(attempt, presented, facts, denial)),
  ...recordOfDenial(attempt, null, null, { outcome: 'refuse', reason: 'token_invalid' }),
  ...recordOfFault(attempt, presented, facts.session, 'fault'),
  new LoginAttempted(attempt.beginning(subject)),
  new LoginSucceeded(attempt.ending(subject), 'password'),
  new LoginFailed(attempt.ending({}), 'wrong_password'),
  new LoginFailed(attempt.ending({}), 'verified_user_invalid', 'too_old'),
  new PasswordVerified(attempt.ending(subject)),
  new ReauthenticationAttempted(attempt.beginning(subject)),
  new ReauthenticationSucceeded(attempt.ending(subject), 'totp', ['pwd', 'otp'], 'aal2'),
  new ReauthenticationFailed(attempt.ending(subject), 'wrong_password'),
  new LogoutAttempted(attempt.beginning(subject)),
  new LogoutSucceeded(attempt.ending(subject), 1),
  new LogoutFailed(attempt.ending({}), 'token_invalid'),
  new SessionCreated(attempt.finding(subject), 'body', 'phone', null),
  new SessionCreated(attempt.finding(subject), 'body', 'phone', null, 'dpop'),
  new AllSessionsRevoked(attempt.finding(subject), 'reuse_detected', 2),
  new SessionRevoked(attempt.finding(subject), 'admin_action', user.id),
  new SessionEvicted(attempt.finding(subject), 'session_limit_exceeded'),
  new SessionBound(attempt.ending(subject), 'dbsc', true),
  new SessionBindingRefused(attempt.ending(subject), 'other_key'),
  new SessionRenamed(attempt.ending(subject), 'The old laptop'),
  new PasswordChangeAttempted(attempt.beginning(subject)),
  new PasswordChangeSucceeded(attempt.ending(subject), 2),
  new PasswordChangeFailed(attempt.ending(subject), 'wrong_password'),
  new PasswordResetIssued(attempt.ending({ userId: user.id })),
  new PasswordResetAttempted(attempt.beginning({ userId: user.id })),
  new PasswordResetSucceeded(attempt.ending({ userId: user.id }), 2),
  new PasswordResetFailed(attempt.ending({}), 'reset_ticket_invalid', 'used'),
  new UserFactorChanged(attempt.ending(subject), 'totp'),
  new UserActedAs(attempt.ending(subject), user.id, 'a call for help', now.toISOString()),
  new UserActAsFailed(attempt.ending(subject), null, 'actor_session_ended', 'a call for help'),
  new UserRegistered(attempt.ending({ userId: user.id }), ['user']),
  new UserDeactivated(attempt.ending({ userId: user.id }), null),
  new UserReactivated(attempt.ending({ userId: user.id }), null),
  new UserRolesChanged(attempt.ending({ userId: user.id }), null, ['user', 'admin'], ['user']),
  new GlobalRotationAttempted(attempt.beginning({}), user.id, 'drain', 'a breach'),
  new GlobalRotationSucceeded(attempt.ending({}), user.id, 1, 2, 'drain', now.toISOString()),
  new GlobalRotationFailed(attempt.ending({}), user.id, 'version_mismatch'),
  new UserRotationAttempted(attempt.beginning({ userId: user.id }), null, 'a lost phone'),
  new UserRotationSucceeded(attempt.ending({ userId: user.id }), null, 1, 2),
  new UserRotationFailed(attempt.ending({ userId: user.id }), null, 'user_not_found'),
  new SecurityPolicyChanged(attempt.ending({}), user.id, 300, 600),
  new RecoveryAttempted(attempt.beginning({}), user.id, 86_400, 'a failover'),
  new RecoverySucceeded(attempt.ending({}), user.id, null, now.toISOString()),
  new RecoveryFailed(attempt.ending({}), null, 'fault'),
  new AccessDenied(attempt.ending(subject), ['admin'], 'GET /admin/users/:id'),
  new AuditRead(attempt.ending({ userId: user.id }), { userId: user.id, from: now.toISOString() }),
  new RefusalsAggregated(attempt.ending({}), 17, 3),
  new RefusalsAggregated(attempt.ending(subject), 17, 3, 'auth.token_refresh.failed.v1'),
];

const types = AUTH_EVENTS.map(({ type }) => type);

describe('the classes of events', () => {
  it('have a type each, dotted and with its version', () => {
    expect(new Set(types).size).toBe(types.length);
    for (const type of types) expect(type).toMatch(/^auth(\.[a-z]+(_[a-z]+)*){2}\.v[1-9][0-9]*$/);
  });

  it('keep the types that hosts listen for', () => {
    expect(types).toEqual(
      expect.arrayContaining([
        ...['attempted', 'succeeded', 'failed'].flatMap((end) =>
          [
            ...['token_refresh', 'login', 'reauthentication', 'logout', 'password_change', 'password_reset'],
            ...['global_rotation', 'user_rotation', 'recovery'],
          ].map((what) => `auth.${what}.${end}.v1`),
        ),
        'auth.user.acted_as.v1',
        'auth.token.rejected_due_to_rotation.v1',
        'auth.token.reuse_detected.v1',
        'auth.token.forgery_suspected.v1',
        'auth.session.created.v1',
        'auth.session.revoked.v1',
        'auth.session.evicted.v1',
        'auth.sessions.all_revoked.v1',
        ...['registered', 'deactivated', 'reactivated', 'roles_changed'].map((what) => `auth.user.${what}.v1`),
        'auth.security_policy.changed.v1',
        'auth.access.denied.v1',
        'auth.audit.read.v1',
        'auth.refusals.aggregated.v1',
      ]),
    );
  });

  it('are the catalogue of docs/events.md, with their fields', () => {
    const rows = readFileSync(join(__dirname, '../../docs/events.md'), 'utf8').matchAll(
      /^\| `(auth\.\S+)` \| `(\w+)` \| (.*?) ?\| [^|]+ \|$/gm,
    );
    const catalogue = [...rows].map(([, type, name, fields = '']) => [type, name, fields]);
    const classes = AUTH_EVENTS.map((one) => {
      const fields = Object.keys(samples.find((event) => classOf(event) === one)!).filter((key) => key !== 'context');
      return [one.type, one.name, fields.map((field) => `\`${field}\``).join(', ')];
    });
    const sorted = (rows: unknown[][]) => rows.map(String).sort();
    expect(sorted(catalogue)).toEqual(sorted(classes));
  });

  it('have the outcome that their type says', () => {
    for (const { type, outcome } of AUTH_EVENTS) {
      const said = /\.(attempted|succeeded|failed)\.v/.exec(type)?.[1];
      expect(['attempted', 'succeeded', 'failed']).toContain(outcome);
      if (said !== undefined) expect([type, outcome]).toEqual([type, said]);
    }
  });

  it('are found again from their events', () => {
    expect(new Set(samples.map(classOf))).toEqual(new Set(AUTH_EVENTS));
    for (const event of samples) expect(event).toBeInstanceOf(classOf(event));
  });
});

describe('an event', () => {
  it('carries primitives, plain objects and lists, and no Buffer', () => {
    const demandPlain = (value: unknown, path: string): void => {
      if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return;
      if (value instanceof Date && path.endsWith('.context.occurredAt')) return;
      expect([path, Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype]).toEqual([path, true]);
      for (const [name, inner] of Object.entries(value as object)) demandPlain(inner, `${path}.${name}`);
    };
    for (const event of samples) demandPlain({ ...event }, classOf(event).type);
  });

  // Seen red with the session's row in the event of a reuse.
  it('never tells a token, a secret, a digest, a nonce or a retry key, in any encoding', () => {
    const told = JSON.stringify(samples);
    expect(told).not.toContain('"Buffer"');
    expect(told).not.toContain(retryKey);
    expect(told).not.toContain(keys.seal(presented).slice(4, 60));
    expect(told).not.toContain(user.email);
    const { tokenHash, previousTokenHash, successorNonce, retryKeyHash } = facts.session;
    const secrets = [presented.secret, successor.secret, tokenHash, previousTokenHash, successorNonce, retryKeyHash];
    for (const secret of secrets) {
      for (const encoding of ['hex', 'base64', 'base64url'] as const)
        expect(told).not.toContain(secret!.toString(encoding));
    }
  });

  it('of a reuse tells both parties, and how far behind the presented token was', () => {
    const reuse = samples.find((event) => classOf(event).type === 'auth.token.reuse_detected.v1');
    expect(reuse).toMatchObject({
      generationsBehind: 1,
      secondsSinceRotation: 60,
      reuseClass: 'concurrent_late',
      rotatedBy: { ipAddress: '192.0.2.1', userAgent: 'agent', deviceId: 'phone' },
      presentedBy: { ipAddress: '192.0.2.2', userAgent: 'agent', deviceId: 'tablet' },
    });
  });

  it('of a grant tells the device that the refresh gave and the login did not', () => {
    expect(samples[1]).toMatchObject({ changedDevice: { deviceId: 'tablet', deviceName: 'Tablet' } });
    const same = new Attempt({ deviceId: 'phone' }, now);
    const [, ending] = recordOfGrant(same, presented, facts.session, { outcome: 'rotate', user });
    expect(ending.changedDevice).toBeNull();
  });
});

describe('the record of a refresh', () => {
  it('is one beginning first and one ending last, whatever was decided', () => {
    const records = [
      recordOfGrant(attempt, presented, facts.session, { outcome: 'rotate', user }),
      ...denials.map((denial) => recordOfDenial(attempt, presented, facts, denial)),
      recordOfDenial(attempt, null, null, { outcome: 'refuse', reason: 'token_invalid' }),
      recordOfFault(attempt, null, null, 'contended'),
    ];
    for (const record of records) {
      const names = record.map((event) => classOf(event).type);
      const endings = names.filter((name) => /^auth\.token_refresh\.(succeeded|failed)\.v1$/.test(name));
      expect(names[0]).toBe('auth.token_refresh.attempted.v1');
      expect(names.filter((name) => name === names[0])).toHaveLength(1);
      expect([names.at(-1)]).toEqual(endings);
      const ids = record.map(({ context }) => context.eventId);
      expect([...ids].sort()).toEqual(ids);
    }
  });
});
