import type { LimitName } from '../options/auth.options';

/** Counts against the configured limits. */
export abstract class RateLimits {
  /**
   * Counts one request of `key`. `key` must not be a secret.
   * @throws Throttled when the limit is reached
   */
  abstract take(limit: LimitName, key: string): Promise<void>;

  /** Resets the count of `key`, after it has proved honest. */
  abstract forget(limit: LimitName, key: string): Promise<void>;
}
