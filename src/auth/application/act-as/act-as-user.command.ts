import { Command } from '@nestjs/cqrs';
import type { ActAsRefusal } from '../../domain/events';
import type { Result } from '../../domain/result';
import type { Claims, Client } from '../../domain/session';
import type { ActingToken } from '../token-pair.issuer';

/** How somebody acts for a user: why, for how long, and with which claims. */
export interface ActingAs {
  /** Why, in words, for the record: at most 500 characters. */
  readonly reason: string;
  /** Seconds, at most the lifetime of an access token. */
  readonly ttl: number;
  /** Claims of the token, beside those of the user: at most 2 KB of JSON. */
  readonly claims?: Claims | undefined;
  readonly client?: Client | undefined;
}

/**
 * Issues an access token by which the user of a session acts for another user (the claim `act`, RFC 8693 section 4.1). It has
 * the roles of that user, and no refresh token. It ends with the actor's session, with whatever raises a floor of either
 * user, and after `ttl`. `@Roles('admin')`, `@RequireAuth()`, `@InPerson()` and auth's own routes except `GET /auth/me` refuse
 * it, and a log-out with it ends nothing. Who may act for whom is the host's decision, before it dispatches this. Throws
 * `Throttled` beyond the limit `listPerUser` of the actor: each token is a record.
 */
export class ActAsUserCommand extends Command<Result<ActingToken, ActAsRefusal>> {
  constructor(
    /** The id of the actor's session: `sessionId` of the `Principal`. */
    readonly actorSession: string,
    readonly userId: string,
    readonly acting: ActingAs,
  ) {
    super();
  }
}
