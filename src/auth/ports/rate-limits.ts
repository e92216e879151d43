import type { LimitName } from '../options/auth.options';

/** Counts against the configured limits. */
export abstract class RateLimits {
  /**
   * Counts one request of `key`. `key` must not be a secret. A limit by ip, whose key is a network, counts IPv6 by its /64, and
   * sixteen times as many for the /48 around it.
   * @throws Throttled when the limit is reached
   */
  abstract take(limit: LimitName, key: string): Promise<void>;

  /**
   * Counts one request of `key` as well. Once the limit is reached it returns after two seconds, and never refuses.
   * @throws Overloaded when too many requests wait
   */
  abstract slow(limit: LimitName, key: string): Promise<void>;

  /** Resets the count of `key`, after it has proved honest. */
  abstract forget(limit: LimitName, key: string): Promise<void>;
}
