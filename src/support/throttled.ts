/** A limit is used up: HTTP 429 with `Retry-After`; nothing was changed. */
export class Throttled extends Error {
  constructor(
    readonly limit: string,
    /** Whole seconds, at least 1. */
    readonly retryAfterSeconds: number,
  ) {
    super(`Too many: ${limit}`);
  }
}
