import fc from 'fast-check';
import { isRevocationReason, REVOCATION_REASONS } from '../../src/auth/domain/refusals';

describe('the reasons of a revocation', () => {
  it('are a closed list: what a host may store is checked against it', () => {
    expect([...REVOCATION_REASONS].sort()).toEqual([
      'admin_action',
      'password_changed',
      'reuse_detected',
      'session_limit_exceeded',
      'session_revoked',
      'token_version_rejected',
      'user_deactivated',
      'user_logout',
      'user_logout_all',
    ]);
    for (const reason of REVOCATION_REASONS) expect(isRevocationReason(reason)).toBe(true);
  });

  it('are nothing else: no other text, no other spelling, and nothing that only looks like one', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => isRevocationReason(value) === REVOCATION_REASONS.includes(value as never)),
    );
    for (const reason of REVOCATION_REASONS) {
      for (const other of [reason.toUpperCase(), ` ${reason}`, `${reason}\0`, [reason], { toString: () => reason }]) {
        expect(isRevocationReason(other)).toBe(false);
      }
    }
    for (const other of ['', 'constructor', '__proto__', 'length', null, undefined, 0]) {
      expect(isRevocationReason(other)).toBe(false);
    }
  });
});
