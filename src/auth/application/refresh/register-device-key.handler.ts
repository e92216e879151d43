import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type BindingRefusalReason, SessionBindingRefused, SessionBound } from '../../domain/events';
import { MAX_BOUND_TOKEN } from '../../domain/dbsc';
import type { RefreshDenial, RefreshFacts } from '../../domain/refresh-decision';
import { type RefreshToken, RefreshTokenKeyRing } from '../../domain/refresh-token';
import type { RefreshRefusal } from '../../domain/refusals';
import { ok, refusal, type Result } from '../../domain/result';
import { AuthEvents } from '../../ports/auth-events';
import { AuthMetrics } from '../../ports/auth-metrics';
import { Clock } from '../../ports/clock';
import { SessionRepository } from '../../ports/session.repository';
import { Attempt } from '../attempt';
import { DbscProofs, type KeyRegistration } from '../dbsc-proofs';
import { endingWithFaults, TooContended } from '../faults';
import { RecordedChange } from '../recorded-change';
import { SessionTermination } from '../sessions/session-termination';
import { TokenPairIssuer } from '../token-pair.issuer';
import { type GrantedRefresh, MAX_ROUNDS, RefreshJudge, type RefreshJudgement } from './refresh-judge';
import { RefreshLimits } from './refresh-limits';
import { findingsOf, refusalOf, subjectOf } from './refresh-record';
import { RegisterDeviceKeyCommand, type RegisteredKey } from './register-device-key.command';

type Answer = Result<RegisteredKey, RefreshRefusal>;

/** The answer to a login may have been lost, or another tab may have refreshed. */
const LAST_GENERATION = 1;
/** A thief of the token alone may try as often as the limits allow. */
const UNINVITED = { most: 10, seconds: 60 };
const REFUSED: RefreshRefusal = { kind: 'refused', reason: 'proof_required' };
const TWO_HOLDERS: RefreshDenial = {
  outcome: 'refuse',
  reason: 'token_revoked',
  revoke: 'reuse_detected',
  holders: 'other_key',
};

/** Judges the token as a refresh does, and changes nothing but the binding. */
@CommandHandler(RegisterDeviceKeyCommand)
export class RegisterDeviceKeyHandler implements ICommandHandler<RegisterDeviceKeyCommand> {
  constructor(
    private readonly judge: RefreshJudge,
    private readonly proofs: DbscProofs,
    private readonly limits: RefreshLimits,
    private readonly sessions: SessionRepository,
    private readonly termination: SessionTermination,
    private readonly changes: RecordedChange,
    private readonly events: AuthEvents,
    private readonly keys: RefreshTokenKeyRing,
    private readonly pairs: TokenPairIssuer,
    private readonly clock: Clock,
    private readonly metrics: AuthMetrics,
  ) {}

  async execute({ refreshToken, registration: given, client }: RegisterDeviceKeyCommand): Promise<Answer> {
    const attempt = new Attempt(client, this.clock.now());
    // Junk costs no verification of a signature.
    const registration = this.keys.open(refreshToken) === null ? null : this.proofs.registrationOf(given);
    let judgement: RefreshJudgement | undefined;
    let counted = false;
    const rounds = async (): Promise<Answer> => {
      for (let round = 0; round < MAX_ROUNDS; round++) {
        judgement = await this.judge.judge(
          { refreshToken, retryKey: undefined, delivery: 'cookie' },
          registration ?? undefined,
        );
        const secondKey = isSecondKey(judgement, registration);
        // What shows a theft is not limited.
        if (!secondKey) counted ||= await this.limits.take(judgement, attempt);
        this.judge.demandSettled(judgement);
        const answer = await this.apply(judgement, secondKey, registration, attempt);
        if (answer !== null) return answer;
      }
      throw new TooContended();
    };
    return endingWithFaults(this.events, rounds, (reason) => {
      this.metrics.deviceRegistration(reason);
      const subject = subjectOf(this.keys.open(refreshToken), judgement?.facts?.session ?? null);
      return [new SessionBindingRefused(attempt.ending(subject), reason)];
    });
  }

  /** Null if the session has changed since it was read. */
  private apply(
    judgement: RefreshJudgement,
    secondKey: boolean,
    registration: KeyRegistration | null,
    attempt: Attempt,
  ): Promise<Answer | null> {
    const { token, facts } = judgement;
    if (secondKey) return this.refuse(TWO_HOLDERS, token, facts, attempt, 'other_key');
    if (token !== null && facts !== null && isOvertaken(judgement, registration))
      return this.turnAway('too_late', token, facts, attempt);
    if (!judgement.granted) return this.refuse(judgement.decision, token, facts, attempt);
    const { session } = judgement.facts;
    const turnAway = (reason: 'not_invited' | 'too_late') =>
      this.turnAway(reason, judgement.token, judgement.facts, attempt);
    if (registration === null || !registration.isInvitedTo(session.id)) return turnAway('not_invited');
    // An adopted token is ahead of its row.
    const generation = Math.max(judgement.token.generation, session.generation);
    if (session.binding === null && generation > LAST_GENERATION) return turnAway('too_late');
    return this.register(judgement, registration, attempt);
  }

  private async register(
    { decision, token, facts }: GrantedRefresh,
    { jwk }: KeyRegistration,
    attempt: Attempt,
  ): Promise<Answer | null> {
    const { session } = facts;
    // An access token alone: the refresh token of the answer would be the one that was presented.
    const pair = await this.pairs.issue(decision.user, token, session, session, facts);
    if (pair.accessToken.length > MAX_BOUND_TOKEN) return this.turnAway('token_too_long', token, facts, attempt);
    const repeated = session.binding !== null;
    const subject = subjectOf(token, session);
    const written = await this.changes.commit(async () => {
      const value = repeated || (await this.sessions.bind(session, { kind: 'dbsc', id: session.id, jwk }));
      return { value, events: value ? [new SessionBound(attempt.ending(subject), 'dbsc', repeated)] : [] };
    });
    if (!written) return null;
    this.metrics.deviceRegistration(repeated ? 'repeated' : 'bound');
    return ok({ id: session.id, accessToken: pair.accessToken, expiresIn: pair.expiresIn });
  }

  /** The token is in order, and nobody may bind the session by this request. Nothing is touched. */
  private async turnAway(
    reason: Exclude<BindingRefusalReason, 'other_key'>,
    token: RefreshToken,
    facts: RefreshFacts,
    attempt: Attempt,
  ): Promise<Answer> {
    const record = [new SessionBindingRefused(attempt.ending(subjectOf(token, facts.session)), reason)];
    await this.events.recordUpTo({ key: `binding ${facts.session.id}`, ...UNINVITED }, record);
    this.metrics.deviceRegistration(reason);
    return refusal(REFUSED);
  }

  private async refuse(
    decision: RefreshDenial,
    token: RefreshToken | null,
    facts: RefreshFacts | null,
    attempt: Attempt,
    reason: SessionBindingRefused['reason'] = decision.reason,
  ): Promise<Answer | null> {
    const ending = new SessionBindingRefused(attempt.ending(subjectOf(token, facts?.session ?? null)), reason);
    const record = [...findingsOf(attempt, token, facts, decision), ending];
    if (token === null) {
      this.events.recordJunk(record);
    } else if (decision.outcome === 'refuse' && decision.revoke !== undefined && facts !== null) {
      if (!(await this.termination.end(facts.session, decision.revoke, record, attempt))) return null;
    } else {
      await this.events.recordUpTo({ key: `binding ${token.sessionId}`, ...UNINVITED }, record);
    }
    this.metrics.deviceRegistration(reason);
    return refusal(refusalOf(decision));
  }
}

/**
 * The page has refreshed meanwhile, and its answer may be lost: it has a retry key for that, the browser has none. Who has the
 * invitation has the answer to the login, so this is no theft.
 */
const isOvertaken = ({ decision, token, facts }: RefreshJudgement, registration: KeyRegistration | null): boolean =>
  decision.outcome === 'refuse' &&
  decision.revoke === 'reuse_detected' &&
  decision.holders === undefined &&
  token !== null &&
  facts !== null &&
  facts.session.generation - token.generation === 1 &&
  registration?.isInvitedTo(token.sessionId) === true;

/** Two keys were registered by the invitation of one login, of which there is one browser. */
const isSecondKey = ({ decision, facts }: RefreshJudgement, registration: KeyRegistration | null): boolean =>
  decision.outcome === 'refuse' &&
  decision.reason === 'proof_required' &&
  facts?.session.binding?.kind === 'dbsc' &&
  registration?.isInvitedTo(facts.session.id) === true &&
  facts.session.revokedAt === null &&
  facts.session.tokenVersion >= facts.floors.endedBelow;
