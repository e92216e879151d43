const LOG_AGAIN_MS = 60_000;

/** Where messages for operators go; one of Nest's loggers will do. */
export interface Log {
  /** A failure begins, or lasts. */
  warn(message: string): void;
  /** A failure is over, or another message that requires nothing. */
  log(message: string): void;
}

/**
 * Logs a repeated failure: when it begins, once a minute while it lasts, and when it ends. A failure that ends and begins
 * again within the minute is not logged a second time.
 */
export class Outage {
  /** On the monotonic clock. */
  private loggedAt = -Infinity;
  private isOpen = false;

  constructor(
    private readonly logger: Log,
    private readonly over: string,
    private readonly monotonicMs: () => number = () => performance.now(),
  ) {}

  goesOn(problem: string): void {
    const now = this.monotonicMs();
    if (now - this.loggedAt < LOG_AGAIN_MS) return;
    this.loggedAt = now;
    this.isOpen = true;
    this.logger.warn(problem);
  }

  ends(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.logger.log(this.over);
  }
}
