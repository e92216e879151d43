import { Injectable } from '@nestjs/common';
import { RateLimits } from '../ports/rate-limits';
import type { Attempt } from './attempt';
import type { RefreshJudgement } from './refresh-judge';

/** The limits of the refresh. They come after the judgement, so that no flood hides a reuse. */
@Injectable()
export class RefreshLimits {
  constructor(private readonly limits: RateLimits) {}

  /** @throws Throttled */
  async take({ token, decision }: RefreshJudgement, attempt: Attempt): Promise<void> {
    if (token === null) {
      if (attempt.network !== null) await this.limits.take('invalidPerIp', attempt.network);
    } else if (decision.outcome !== 'refuse' || decision.revoke === undefined) {
      await this.limits.take('refreshPerSession', token.sessionId);
    }
  }
}
