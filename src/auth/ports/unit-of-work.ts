/**
 * Calls the effects of a unit of work that has committed, for implementations: what one of them throws is logged, and
 * the others are called all the same.
 */
export function callAfterCommit(effects: readonly (() => void)[], logger: { error(message: string): void }): void {
  for (const effect of effects) {
    try {
      effect();
    } catch (error) {
      logger.error(`What follows a commit failed: ${String(error)}`);
    }
  }
}

/** A transaction that the ports below it join without being told. */
export abstract class UnitOfWork {
  /**
   * Runs `work` in one transaction; a call inside another joins it. Commits when `work` resolves, rolls back when it
   * throws. Serialization failures and deadlocks (SQLSTATE 40001, 40P01) run the outermost `work` again, so it must
   * have no effect outside the database.
   */
  abstract run<T>(work: () => Promise<T>): Promise<T>;

  /**
   * Calls `effect` once the outermost unit of work has committed, never when it rolls back; outside of one, at once. What
   * an effect throws after the commit is logged, and changes nothing.
   */
  abstract afterCommit(effect: () => void): void;
}
