import { REVOCATION_REASONS } from '../../src';

it('the reasons of a revocation are a closed list', () => {
  expect([...REVOCATION_REASONS].sort()).toEqual([
    'admin_action',
    'factor_changed',
    'password_changed',
    'password_reset',
    'reuse_detected',
    'session_limit_exceeded',
    'session_revoked',
    'token_version_rejected',
    'user_deactivated',
    'user_logout',
    'user_logout_all',
  ]);
});
