import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { stampsAfterRotation } from '../../../guard/versions';
import { demand, retryKeyProblem } from '../../domain/input-rules';
import { digestOf, newSuccessorNonce, RefreshTokenKeyRing } from '../../domain/refresh-token';
import type { RefreshRefusal } from '../../domain/refusals';
import { ok, refusal, type Result } from '../../domain/result';
import { AuthOptions } from '../../options/auth.options';
import { AuthEvents } from '../../ports/auth-events';
import { AuthMetrics } from '../../ports/auth-metrics';
import { Clock } from '../../ports/clock';
import { type RefreshRecord, SessionRepository } from '../../ports/session.repository';
import { Attempt } from '../attempt';
import { endingWithFaults, TooContended } from '../faults';
import { SessionTermination } from '../sessions/session-termination';
import { type TokenPair, TokenPairIssuer } from '../token-pair.issuer';
import { RefreshAccessTokenCommand } from './refresh-access-token.command';
import { type DeniedRefresh, type GrantedRefresh, RefreshJudge, type RefreshJudgement } from './refresh-judge';
import { RefreshLimits } from './refresh-limits';
import { outcomeOf, recordOfDenial, recordOfFault, recordOfGrant, refusalOf } from './refresh-record';

type Answer = Result<TokenPair, RefreshRefusal>;
const MAX_ROUNDS = 4; // the first try, and 3 for a session that changes under it

/** Decide, apply with its record, answer. A change whose condition no longer holds has written nothing, and is decided again. */
@CommandHandler(RefreshAccessTokenCommand)
export class RefreshAccessTokenHandler implements ICommandHandler<RefreshAccessTokenCommand> {
  constructor(
    private readonly judge: RefreshJudge,
    private readonly limits: RefreshLimits,
    private readonly sessions: SessionRepository,
    private readonly termination: SessionTermination,
    private readonly events: AuthEvents,
    private readonly keys: RefreshTokenKeyRing,
    private readonly pairs: TokenPairIssuer,
    private readonly options: AuthOptions,
    private readonly clock: Clock,
    private readonly metrics: AuthMetrics,
  ) {}

  async execute(command: RefreshAccessTokenCommand): Promise<Answer> {
    demand({ retryKey: retryKeyProblem(command.retryKey) });
    const attempt = new Attempt(command.client, this.clock.now());
    let judgement: RefreshJudgement | undefined;
    const rounds = async (): Promise<Answer> => {
      for (let round = 0; round < MAX_ROUNDS; round++) {
        judgement = await this.judge.judge(command.refreshToken, command.retryKey, command.delivery);
        if (round === 0) await this.limits.take(judgement, attempt);
        const answer = await this.apply(judgement, attempt);
        if (answer !== null) {
          this.metrics.refresh(outcomeOf(judgement.decision), attempt.secondsUntil(this.clock.now()));
          return answer;
        }
      }
      throw new TooContended();
    };
    return endingWithFaults(this.events, rounds, (reason) => {
      this.metrics.refresh(reason, attempt.secondsUntil(this.clock.now()));
      return recordOfFault(attempt, this.keys.open(command.refreshToken), judgement?.facts?.session ?? null, reason);
    });
  }

  private apply(judgement: RefreshJudgement, attempt: Attempt): Promise<Answer | null> {
    if (!judgement.granted) return this.deny(judgement, attempt);
    return judgement.decision.outcome === 'rotate'
      ? this.rotate(judgement, attempt)
      : this.replay(judgement, judgement.decision.door, attempt);
  }

  private async rotate(grant: GrantedRefresh, attempt: Attempt): Promise<Answer | null> {
    const { decision, token, facts, retryKeyHash } = grant;
    const { session, floors, now } = facts;
    const successorNonce = newSuccessorNonce();
    const successor = this.keys.successor(token, successorNonce);
    const next = {
      ...stampsAfterRotation(session, floors),
      tokenHash: digestOf(successor),
      successorNonce,
      keyId: successor.keyId,
      retryKeyHash,
      expiresAt: this.pairs.idleLimit(session, now),
      userAgent: attempt.client.userAgent,
      ipAddress: attempt.client.ipAddress,
    };
    // Signed before the row is written: a signing fault must not burn the client's token.
    const pair = this.pairs.issue(decision.user, successor, next, facts);
    const record = recordOfGrant(attempt, token, session, decision);
    return (await this.sessions.rotate(session, next, record)) ? this.granted(pair, record) : null;
  }

  private async replay(
    { decision, token, facts, retryKeyHash }: GrantedRefresh,
    door: 'window' | 'key',
    attempt: Attempt,
  ): Promise<Answer | null> {
    const { session } = facts;
    const pair = this.pairs.issue(decision.user, this.keys.storedSuccessor(token, session), session, facts);
    const record = recordOfGrant(attempt, token, session, decision);
    const replay = { door, retryKeyHash, maxReplays: this.options.maxReplays };
    return (await this.sessions.confirmReplay(session, replay, record)) ? this.granted(pair, record) : null;
  }

  private async deny({ decision, token, facts }: DeniedRefresh, attempt: Attempt): Promise<Answer | null> {
    const record = recordOfDenial(attempt, token, facts, decision);
    if (token === null || decision.outcome === 'wait') {
      this.events.recordJunk(record);
    } else if (decision.revoke !== undefined && facts !== null) {
      if (!(await this.termination.end(facts.session, decision.revoke, record, attempt))) return null;
    } else {
      await this.events.record(record);
    }
    return refusal(refusalOf(decision));
  }

  private granted(pair: TokenPair, record: RefreshRecord): Answer {
    this.events.dispatch(record);
    return ok(pair);
  }
}
