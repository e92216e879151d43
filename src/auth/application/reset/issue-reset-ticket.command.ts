import { Command } from '@nestjs/cqrs';
import type { Result } from '../../domain/result';
import type { Client } from '../../domain/session';

/**
 * Issues a ticket with which the user sets a new password: a text that begins with `ot1_`, valid for `resetTicketTtlSeconds`
 * and once. It is a credential for as long: send it to the user by a way that only they can read, and answer the same whether
 * there is such a user or not (ASVS 5.0 6.4.3). A reset, and whatever else raises the user's floor, ends earlier tickets.
 */
export class IssueResetTicketCommand extends Command<Result<string, 'user_not_found'>> {
  constructor(
    readonly userId: string,
    /** The client that asked for it, for the record. */
    readonly client: Client = {},
  ) {
    super();
  }
}
