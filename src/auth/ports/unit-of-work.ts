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

/** A transaction that the ports called inside it join by themselves. */
export abstract class UnitOfWork {
  /**
   * Runs `work` in one transaction; a call inside another joins it. Commits when `work` resolves, rolls back when it
   * throws, or when a write inside it threw, even if `work` caught that error. Serialization failures and deadlocks
   * (SQLSTATE 40001, 40P01) run the outermost `work` again, so it must have no effect outside the database.
   */
  abstract run<T>(work: () => Promise<T>): Promise<T>;

  /**
   * Calls `effect` once the outermost unit of work has committed, never when it rolls back; outside of a unit of work, at
   * once. If an effect throws after the commit, Nest's `Logger` gets the error, and nothing else changes.
   */
  abstract afterCommit(effect: () => void): void;
}
