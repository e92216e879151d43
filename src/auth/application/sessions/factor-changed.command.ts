import { Command } from '@nestjs/cqrs';
import type { Client } from '../../domain/session';

/** What a change of a factor spares, and who made it. */
export interface FactorChange {
  /** The session that continues, as a rule that of the user who made the change; without one, all sessions end. */
  readonly except?: string | undefined;
  readonly client?: Client | undefined;
}

/**
 * A factor of a user was added, replaced or removed by the host: ends the user's sessions, all or all except one (ASVS 5.0
 * 7.4.3). Dispatch it if the user chooses so, or always. If all end, the floor rises and the access tokens end with them.
 * Returns the number of ended sessions. With `except`, they end in batches as by `RevokeOtherSessionsCommand`.
 */
export class FactorChangedCommand extends Command<number> {
  constructor(
    readonly userId: string,
    /** What has changed, for the record: `totp`, `passkey`; at most 64 of `a-z 0-9 _ . : -`. */
    readonly kind: string,
    readonly change: FactorChange = {},
  ) {
    super();
  }
}
