const TELL_AGAIN_MS = 60_000;

interface Log {
  warn(message: string): void;
  log(message: string): void;
}

/**
 * Tells of something that fails again and again: when it begins, once a minute while it lasts, and when it is over. What
 * comes and goes within the minute is not told a second time.
 */
export class Outage {
  /** On the monotonic clock. */
  private toldAt = -Infinity;
  private isOpen = false;

  constructor(
    private readonly logger: Log,
    private readonly over: string,
    private readonly monotonicMs: () => number = () => performance.now(),
  ) {}

  goesOn(problem: string): void {
    const now = this.monotonicMs();
    if (now - this.toldAt < TELL_AGAIN_MS) return;
    this.toldAt = now;
    this.isOpen = true;
    this.logger.warn(problem);
  }

  ends(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.logger.log(this.over);
  }
}
