import { Injectable } from '@nestjs/common';
import { RateLimits } from '../../ports/rate-limits';
import type { Attempt } from '../attempt';

/**
 * The limits of log-outs that end nothing: without them, a dead token could fill the record. A log-out that ends a session is
 * never refused.
 */
@Injectable()
export class LogOutLimits {
  constructor(private readonly limits: RateLimits) {}

  /**
   * Counts a log-out of a session that has ended, or, without one, by a token that was not issued here.
   * @throws Throttled
   */
  async take(sessionId: string | null, { network }: Attempt): Promise<void> {
    // The session first: its own flood must not use up the allowance of those behind the same address.
    if (sessionId !== null) await this.limits.take('logoutPerSession', sessionId);
    if (network !== null) await this.limits.take('logoutPerIp', network);
  }

  /**
   * Counts a log-out of all sessions of a user who has none. Call it inside the unit of work: beyond the limit, the floor
   * does not rise either.
   * @throws Throttled
   */
  async takeOfUser(userId: string): Promise<void> {
    await this.limits.take('logoutPerSession', `all of ${userId}`);
  }
}
