export { type AccessProof, AccessTokenAuthenticator } from './access-token.authenticator';
export type { Origins } from './origins';
export { type AccessDenial, AccessDenials } from './ports/access-denials';
export { type GivenKey } from './asymmetric-key';
export { AccessTokenKeys, type AccessTokenClaims } from './ports/access-token.keys';
export { CurrentRoles } from './ports/current-roles';
export {
  type Announced,
  RevocationFeed,
  RevocationSource,
  type Revocation,
  type RevocationReading,
  type RevocationWatcher,
} from './ports/revocation.feed';
export { type Principal } from './principal';
export { RevocationView, type ViewFollower, type ViewLimits, type ViewMetrics } from './revocation.view';
export {
  type Floors,
  isHonoured,
  MAX_GRACE_SECONDS,
  CUT_OFF_MODES,
  type CutOffMode,
  type SecurityPolicy,
  stampsOf,
  type VersionRejection,
  type VersionStamps,
} from './versions';
