import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { stampsAfterRotation } from '../../../guard/versions';
import type { BoundCookieProof, DbscProof, DpopProof } from '../../domain/binding';
import { demand, retryKeyProblem } from '../../domain/input-rules';
import type { RefreshSession, ReplayDoor } from '../../domain/refresh-decision';
import { digestOf, newSuccessorNonce, type RefreshToken, RefreshTokenKeyRing } from '../../domain/refresh-token';
import type { RefreshRefusal } from '../../domain/refusals';
import { ok, refusal, type Result } from '../../domain/result';
import type { NewProof, SessionProof } from '../../domain/session';
import { AuthOptions } from '../../options/auth.options';
import { AuthEvents, type RecordBound } from '../../ports/auth-events';
import { AuthMetrics } from '../../ports/auth-metrics';
import { Clock } from '../../ports/clock';
import { type RefreshRecord, SessionRepository } from '../../ports/session.repository';
import { Attempt } from '../attempt';
import { endingWithFaults, TooContended } from '../faults';
import { KeyProofs } from '../key-proofs';
import { RecordedChange } from '../recorded-change';
import { SessionTermination } from '../sessions/session-termination';
import { type TokenPair, TokenPairIssuer } from '../token-pair.issuer';
import { RefreshAccessTokenCommand } from './refresh-access-token.command';
import {
  type DeniedRefresh,
  type GrantedRefresh,
  MAX_ROUNDS,
  RefreshJudge,
  type RefreshJudgement,
} from './refresh-judge';
import { RefreshLimits } from './refresh-limits';
import { outcomeOf, recordOfDenial, recordOfFault, recordOfGrant, refusalOf } from './refresh-record';
import type { StepUp } from './step-up';

interface Presented extends Pick<RefreshAccessTokenCommand, 'refreshToken' | 'client' | 'retryKey' | 'delivery'> {
  readonly proof?: DpopProof | DbscProof | BoundCookieProof | undefined;
}
type Answer<R = never> = Result<TokenPair, RefreshRefusal | R>;
/** A thief of the token alone may present it from any number of addresses. */
const UNPROVEN = { most: 10, seconds: 60 };

/**
 * Decide, apply with its record, answer. A change whose condition no longer holds has written nothing, and is decided again. With
 * a step-up, the proof is asked for after the decision and written with the change.
 */
@CommandHandler(RefreshAccessTokenCommand)
export class RefreshAccessTokenHandler implements ICommandHandler<RefreshAccessTokenCommand> {
  constructor(
    private readonly judge: RefreshJudge,
    private readonly proofs: KeyProofs,
    private readonly limits: RefreshLimits,
    private readonly sessions: SessionRepository,
    private readonly termination: SessionTermination,
    private readonly changes: RecordedChange,
    private readonly events: AuthEvents,
    private readonly keys: RefreshTokenKeyRing,
    private readonly pairs: TokenPairIssuer,
    private readonly options: AuthOptions,
    private readonly clock: Clock,
    private readonly metrics: AuthMetrics,
  ) {}

  async execute<R = never>(given: Presented, stepUp?: StepUp<R>): Promise<Answer<R>> {
    demand({ retryKey: retryKeyProblem(given.retryKey) });
    const proof = this.proofs.of(given.proof);
    const attempt = new Attempt(given.client, this.clock.now());
    let judgement: RefreshJudgement | undefined;
    let counted = false;
    const rounds = async (): Promise<Answer<R>> => {
      for (let round = 0; round < MAX_ROUNDS; round++) {
        judgement = await this.judge.judge(given, proof);
        counted ||= await this.limits.take(judgement, attempt);
        this.judge.demandSettled(judgement);
        if (judgement.granted && stepUp !== undefined) {
          const unproven = await stepUp.prove(judgement);
          if (unproven !== null) {
            await this.events.record(stepUp.failed(unproven.reason));
            this.metrics.reauthentication(unproven.reason);
            return refusal(unproven.refusal);
          }
        }
        const answer = await this.apply(judgement, attempt, stepUp);
        if (answer !== null) {
          this.count(outcomeOf(judgement.decision), attempt, stepUp);
          return answer;
        }
      }
      throw new TooContended();
    };
    return endingWithFaults(this.events, rounds, (reason) => {
      this.count(reason, attempt, stepUp);
      const token = this.keys.open(given.refreshToken);
      const record = recordOfFault(attempt, token, judgement?.facts?.session ?? null, reason);
      return stepUp === undefined ? record : [...stepUp.failed(reason), ...record];
    });
  }

  /** The time that a password takes is not that of refreshes. */
  private count(outcome: string, attempt: Attempt, stepUp: StepUp<unknown> | undefined): void {
    if (stepUp?.isAsked) this.metrics.reauthentication(outcome);
    else this.metrics.refresh(outcome, attempt.secondsUntil(this.clock.now()));
  }

  private apply(
    judgement: RefreshJudgement,
    attempt: Attempt,
    stepUp: StepUp<unknown> | undefined,
  ): Promise<Answer | null> {
    if (!judgement.granted) return this.deny(judgement, attempt, stepUp);
    return judgement.decision.outcome === 'rotate'
      ? this.rotate(judgement, attempt, stepUp)
      : this.replay(judgement, judgement.decision.door, attempt, stepUp);
  }

  private async rotate(
    grant: GrantedRefresh,
    attempt: Attempt,
    stepUp: StepUp<unknown> | undefined,
  ): Promise<Answer | null> {
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
      proof: stepUp?.proof,
    };
    // Signed before the row is written: a signing fault must not burn the client's token.
    const issued = this.pairs.issue(decision.user, successor, next, proofOf(session, next.proof), facts);
    const pair = issued instanceof Promise ? await issued : issued;
    const record = recordOfGrant(attempt, token, session, decision);
    const written = this.write(stepUp, () =>
      token.generation === session.generation
        ? this.sessions.rotate(session, next, record)
        : this.sessions.adopt(session, { generation: token.generation, tokenHash: digestOf(token) }, next, record),
    );
    return (await written) ? this.granted(pair, record) : null;
  }

  private async replay(
    { decision, token, facts, retryKeyHash }: GrantedRefresh,
    door: ReplayDoor,
    attempt: Attempt,
    stepUp: StepUp<unknown> | undefined,
  ): Promise<Answer | null> {
    const { session } = facts;
    const proof = stepUp?.proof;
    const successor = this.keys.storedSuccessor(token, session);
    const issued = this.pairs.issue(decision.user, successor, session, proofOf(session, proof), facts);
    const pair = issued instanceof Promise ? await issued : issued;
    const record = recordOfGrant(attempt, token, session, decision);
    const replay = { door, retryKeyHash, maxReplays: this.options.maxReplays, proof };
    const confirm = () => this.sessions.confirmReplay(session, replay, record);
    return (await this.write(stepUp, confirm)) ? this.granted(pair, record) : null;
  }

  /** With a step-up, the change and the record of its proof are one unit of work. */
  private write(stepUp: StepUp<unknown> | undefined, change: () => Promise<boolean>): Promise<boolean> {
    if (stepUp === undefined) return change();
    return this.changes.commit(async () => {
      const value = await change();
      return { value, events: value ? stepUp.succeeded() : [] };
    });
  }

  private async deny(
    { decision, token, facts }: DeniedRefresh,
    attempt: Attempt,
    stepUp: StepUp<unknown> | undefined,
  ): Promise<Answer | null> {
    const refused = recordOfDenial(attempt, token, facts, decision);
    // After a proof: the session has ended, or moved on, since the refresh was granted.
    const record = stepUp === undefined ? refused : [...stepUp.failed('refresh_refused'), ...refused];
    if (token === null) {
      this.events.recordJunk(record);
    } else if (decision.outcome === 'wait') {
      await this.events.recordUpTo(this.waitsOf(token), record);
    } else if (decision.reason === 'proof_required') {
      await this.events.recordUpTo({ key: `proof ${token.sessionId}`, ...UNPROVEN }, record);
    } else if (decision.revoke !== undefined && facts !== null) {
      if (!(await this.termination.end(facts.session, decision.revoke, record, attempt))) return null;
    } else {
      await this.events.record(record);
    }
    return refusal(refusalOf(decision));
  }

  /** A wait is the early sign of a second holder, so it is not among the junk; the holders can also wait without end. */
  private waitsOf({ sessionId, generation }: RefreshToken): RecordBound {
    return { key: `wait ${sessionId} ${generation}`, most: Math.max(1, this.options.maxReplays) };
  }

  private granted(pair: TokenPair, record: RefreshRecord): Answer {
    this.events.dispatch(record);
    return ok(pair);
  }
}

/** What access tokens say: the new proof where there is one, and the session's claims. */
const proofOf = (
  session: RefreshSession,
  proof: NewProof | undefined,
): SessionProof & Pick<RefreshSession, 'binding'> =>
  proof === undefined ? session : { ...proof, claims: session.claims, binding: session.binding };
