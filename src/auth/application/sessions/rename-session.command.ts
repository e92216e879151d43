import { Command } from '@nestjs/cqrs';
import type { Client } from '../../domain/session';

/**
 * Gives the device of a user's session another name; null removes it. Returns false, and changes nothing, if the user has no
 * such session that could still be refreshed. Throws `Throttled` beyond the limit `listPerUser` of `of`: each name is a record.
 */
export class RenameSessionCommand extends Command<boolean> {
  constructor(
    readonly sessionId: string,
    readonly of: string,
    /** At most 128 characters. */
    readonly deviceName: string | null,
    readonly client: Client = {},
  ) {
    super();
  }
}
