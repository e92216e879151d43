/** Hashes passwords slowly, in a bounded queue, after normalising them to NFKC. */
export abstract class PasswordHasher {
  /**
   * Called before a sign-in is counted, so that one that is refused for the queue leaves no count behind. A hasher without a queue
   * leaves it out.
   * @throws Overloaded when the queue is full
   */
  demandRoom?(): void;

  /** @throws Overloaded when the queue is full */
  abstract hash(password: string): Promise<string>;

  /**
   * Whether `hash` is a hash of `password`. A `null` hash (no such account), a hash of another kind and a hash of a lower cost
   * take the same work as a hash of the configured cost; the first two never return true.
   * @throws Overloaded when the queue is full
   */
  abstract verify(password: string, hash: string | null): Promise<boolean>;

  /**
   * Whether `hash` cost less than is configured. A costlier one stays: weaker than it was is nothing that a login may make a hash.
   */
  abstract needsRehash(hash: string): boolean;
}
