import { Injectable } from '@nestjs/common';
import type { RefreshDecision } from '../../domain/refresh-decision';
import { RateLimits } from '../../ports/rate-limits';
import type { Attempt } from '../attempt';
import type { RefreshJudgement } from './refresh-judge';

/** The limits of the refresh. They apply after the decision, so that a flood cannot hide a reuse. */
@Injectable()
export class RefreshLimits {
  constructor(private readonly limits: RateLimits) {}

  /**
   * Returns whether the refresh was counted. One that was not may yet become one that is: of many reuses at once, the first
   * ends the session and the others are refused.
   * @throws Throttled
   */
  async take({ token, decision, facts }: RefreshJudgement, attempt: Attempt): Promise<boolean> {
    if (token === null || isUnproven(decision)) {
      if (attempt.network !== null) await this.limits.take('invalidPerIp', attempt.network);
      return true;
    }
    if (!isLimited(decision)) return false;
    // The session first: its own flood must not use up the allowance of the user's other sessions.
    await this.limits.take('refreshPerSession', token.sessionId);
    if (facts !== null) await this.limits.take('refreshPerUser', `${facts.session.userId} ${attempt.network}`);
    return true;
  }
}

/** It counts against the address alone: a thief of the token must not use up what its owner may do. */
const isUnproven = (decision: RefreshDecision): boolean =>
  decision.outcome === 'refuse' && decision.reason === 'proof_required';

/**
 * A refusal that ends a session is not limited. Nor is a replay through the window: it has a limit of its own, and a client
 * that waited for this one would return after the window, as a reuse.
 */
function isLimited(decision: RefreshDecision): boolean {
  if (decision.outcome === 'refuse') return decision.revoke === undefined;
  return decision.outcome === 'rotate' || (decision.outcome === 'replay' && decision.door !== 'window');
}
