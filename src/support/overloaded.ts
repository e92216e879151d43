/** Something that answers depend on is down or full: HTTP 503 with `Retry-After`; the same request works later. */
export class Overloaded extends Error {
  constructor(
    what: string,
    /** Whole seconds. */
    readonly retryAfterSeconds = 1,
    options?: ErrorOptions,
  ) {
    super(what, options);
  }
}

/** The record of what happened could not be stored in time, so nothing was changed. Recording that would fail as well. */
export class NotRecorded extends Overloaded {}
