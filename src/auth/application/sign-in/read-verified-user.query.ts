import { Query } from '@nestjs/cqrs';
import type { VerifiedUser } from '../../domain/verified-user';

/** A sealed user, read. */
export interface ReadVerifiedUser {
  /** The text itself, known to be sealed: what `OpenSessionCommand` takes. */
  readonly verified: VerifiedUser;
  readonly userId: string;
  /** What was proved: `password`, or what was given to `SealVerifiedUserQuery`. Compare it: each route takes its own. */
  readonly method: string;
  readonly authTime: Date;
}

/**
 * Reads a sealed user, so that the host can ask this user for a second factor; null for a text that was not sealed with these keys or
 * that is too old. It has no effect and no record, and does not see whether the text was used.
 */
export class ReadVerifiedUserQuery extends Query<ReadVerifiedUser | null> {
  constructor(readonly verified: string) {
    super();
  }
}
