/** Remembers which proofs of possession were used. */
export abstract class SeenProofs {
  /**
   * Returns true for the first call with this `id` within a minute, and false for any other. Each process remembers a bounded
   * number of them; with Redis, all processes remember together. `id` must not be a secret.
   */
  abstract isNew(id: string): Promise<boolean>;
}
