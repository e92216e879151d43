import { Query } from '@nestjs/cqrs';
import type { RefreshRefusal } from '../../domain/refusals';
import type { Result } from '../../domain/result';
import type { Delivery } from '../../domain/session';

export interface ValidRefreshToken {
  readonly userId: string;
  readonly sessionId: string;
  readonly generation: number;
  readonly expiresAt: Date;
}

/** Returns what a refresh with this token would return, without any effect: it writes, replays and revokes nothing. */
export class ValidateRefreshTokenQuery extends Query<Result<ValidRefreshToken, RefreshRefusal>> {
  constructor(
    readonly refreshToken: string,
    readonly retryKey?: string,
    readonly delivery: Delivery = 'body',
  ) {
    super();
  }
}
