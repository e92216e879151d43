/** Slow hashing in a bounded queue, of the one spelling that a password has (NFKC). */
export abstract class PasswordHasher {
  /** @throws Overloaded when the queue is full */
  abstract hash(password: string): Promise<string>;

  /**
   * Whether `password` made `hash`. `null` (no such account), a hash of another kind and a hash of a lower cost take the
   * same work as one of the configured cost; the first two are never true.
   * @throws Overloaded when the queue is full
   */
  abstract verify(password: string, hash: string | null): Promise<boolean>;

  /** Whether `hash` was made with less work than is asked for now. */
  abstract needsRehash(hash: string): boolean;
}
