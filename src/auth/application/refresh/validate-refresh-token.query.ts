import { Query } from '@nestjs/cqrs';
import type { Binding } from '../../domain/binding';
import type { RefreshRefusal } from '../../domain/refusals';
import type { Result } from '../../domain/result';
import type { Delivery } from '../../domain/session';

/** What a token that would be granted belongs to. */
export interface ValidRefreshToken {
  readonly userId: string;
  readonly sessionId: string;
  readonly generation: number;
  /** When the session expires unless it is refreshed, on the database's clock. */
  readonly expiresAt: Date;
  /** The key that must prove each refresh; null if none must. */
  readonly binding: Binding | null;
}

/**
 * Returns what a refresh with this token would return, without any effect: it writes, replays and revokes nothing. Of a bound
 * session, what a refresh with a valid proof would return.
 */
export class ValidateRefreshTokenQuery extends Query<Result<ValidRefreshToken, RefreshRefusal>> {
  constructor(
    readonly refreshToken: string,
    readonly retryKey?: string,
    readonly delivery: Delivery = 'body',
  ) {
    super();
  }
}
