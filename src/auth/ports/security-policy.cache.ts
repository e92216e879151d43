import type { SecurityPolicy } from '../domain/versions';

/** Keeps the security policy for a while. It is never believed: whoever reads it holds it against what the database said. */
export abstract class SecurityPolicyCache {
  /** The kept policy, or null. @throws when the cache is out of order, within 50 ms */
  abstract get(): Promise<SecurityPolicy | null>;

  /** Keeps `policy` unless a newer one is kept: a higher version, or the same one changed later. @throws like {@link get} */
  abstract put(policy: SecurityPolicy): Promise<void>;

  /** Drops `policy` when it is what is kept: the database does not know it. @throws like {@link get} */
  abstract drop(policy: SecurityPolicy): Promise<void>;
}
