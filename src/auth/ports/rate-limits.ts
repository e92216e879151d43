/** What can be limited: sign-ins per account and ip, and per ip; refreshes per session; junk tokens and registrations per ip. */
export const LIMIT_NAMES = [
  'loginPerAccount',
  'loginPerIp',
  'refreshPerSession',
  'invalidPerIp',
  'registerPerIp',
] as const;
export type LimitName = (typeof LIMIT_NAMES)[number];

/** Counts against the configured limits. */
export abstract class RateLimits {
  /**
   * Takes one of what `key` may do. `key` must be no secret.
   * @throws Throttled when it is used up
   */
  abstract take(limit: LimitName, key: string): Promise<void>;

  /** Forgets what `key` has taken, after it has shown to be honest. */
  abstract forget(limit: LimitName, key: string): Promise<void>;
}
