import type { LimitName } from '../options/auth.options';

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
