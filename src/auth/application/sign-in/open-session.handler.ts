import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type GlobalFloor, stampsOf, type VersionStamps } from '../../../guard/versions';
import type { LoginFailed } from '../../domain/events';
import type { Binding } from '../../domain/binding';
import { demandClaims, demandNoDouble, MAX_SESSION_CLAIMS, MAX_USER_CLAIMS } from '../../domain/claims';
import {
  acrProblem,
  amrProblem,
  deliveryProblem,
  demand,
  methodProblem,
  timeProblem,
  userIdProblem,
} from '../../domain/input-rules';
import type { RefreshUser } from '../../domain/refresh-decision';
import { ok, refusal, type Result } from '../../domain/result';
import type { Claims, Delivery } from '../../domain/session';
import { isOver, isVerifiedUser, type Verification, VerifiedUserSeal } from '../../domain/verified-user';
import { AuthEvents } from '../../ports/auth-events';
import { AuthMetrics } from '../../ports/auth-metrics';
import { Clock } from '../../ports/clock';
import { SecurityPolicyRepository } from '../../ports/security-policy.repository';
import { SessionRepository } from '../../ports/session.repository';
import { Attempt, type Subject } from '../attempt';
import { DpopProofs } from '../dpop-proofs';
import { endingWithFaults } from '../faults';
import { HostUsers } from '../host-users';
import { PASSWORD, PASSWORD_AMR } from '../password-check';
import { RecordedChange } from '../recorded-change';
import { RefusedSeals } from '../refused-seals';
import type { TokenPair } from '../token-pair.issuer';
import { recordOfFailure, recordOfSuccess } from './login-record';
import { OpenSession } from './open-session';
import { OpenSessionCommand, type OpeningRefusal, type SessionOpening } from './open-session.command';

type Answer = Result<TokenPair, OpeningRefusal>;

/** A user who may have a session, with the stamps that it gets. */
interface Admitted {
  readonly user: RefreshUser;
  readonly floors: GlobalFloor;
  readonly stamps: VersionStamps;
  /** The time of the database. */
  readonly now: Date;
  /** Of a sealed user. */
  readonly proof: Verification | null;
}

/** How the host describes the new session, checked. */
interface Opened extends Pick<SessionOpening, 'method' | 'amr' | 'acr' | 'authTime'> {
  readonly delivery: Delivery;
  readonly claims: Claims | null;
  readonly binding: Binding | null;
}

interface Denied {
  readonly reason: OpeningRefusal;
  readonly evidence?: LoginFailed['evidence'];
}

const NOT_SEALED_HERE: Denied = { reason: 'verified_user_invalid', evidence: 'not_sealed_here' };
const TOO_OLD: Denied = { reason: 'verified_user_invalid', evidence: 'too_old' };
const USED: Denied = { reason: 'verified_user_invalid', evidence: 'used' };

@CommandHandler(OpenSessionCommand)
export class OpenSessionHandler implements ICommandHandler<OpenSessionCommand> {
  constructor(
    private readonly seal: VerifiedUserSeal,
    private readonly proofs: DpopProofs,
    private readonly users: HostUsers,
    private readonly policies: SecurityPolicyRepository,
    private readonly sessions: SessionRepository,
    private readonly openSession: OpenSession,
    private readonly changes: RecordedChange,
    private readonly events: AuthEvents,
    private readonly refusedSeals: RefusedSeals,
    private readonly clock: Clock,
    private readonly metrics: AuthMetrics,
  ) {}

  async execute({ user, opening }: OpenSessionCommand): Promise<Answer> {
    const { method, client, delivery = 'body', amr, acr, authTime } = opening;
    const { deviceId = client.deviceId, deviceName = client.deviceName } = opening;
    const isSealed = typeof user === 'string' && isVerifiedUser(user);
    demand({
      user: isSealed ? null : userIdProblem(user),
      method: methodProblem(method),
      delivery: deliveryProblem(delivery),
      amr: amr === undefined ? null : amrProblem(amr),
      acr: acr === undefined ? null : acrProblem(acr),
      authTime: authTime === undefined ? null : timeProblem(authTime),
    });
    const claims = demandClaims('claims', opening.claims, MAX_SESSION_CLAIMS);
    const binding = await this.proofs.bindingBy(opening.proof, delivery);
    const attempt = new Attempt({ ...client, deviceId, deviceName }, this.clock.now());
    const proof = isSealed ? this.seal.open(user) : null;
    const subject = { userId: isSealed ? (proof?.userId ?? null) : user };
    return endingWithFaults(
      this.events,
      async () => {
        const admission = isSealed ? await this.admitSealed(proof) : await this.admit(user, subject);
        const opened = { ...opening, delivery, claims, binding };
        const pair = 'reason' in admission ? admission : await this.open(admission, opened, attempt);
        if ('reason' in pair) return this.refuse(pair, proof, attempt, subject);
        this.metrics.login('succeeded');
        return ok(pair);
      },
      (reason) => {
        this.metrics.login(reason);
        return recordOfFailure(attempt, subject, reason);
      },
    );
  }

  /** The floors are read before the user: a user who is deactivated in between gets a session that is refused from the start. */
  private async admit(given: string, subject: { userId: string | null }): Promise<Admitted | Denied> {
    const userId = (subject.userId = await this.users.spellingOf(given));
    const { floors, now } = await this.policies.floorsOf(userId);
    const user = await this.users.findById(userId);
    if (user?.id !== userId) return { reason: 'user_not_found' };
    return user.isActive ? { user, floors, now, stamps: stampsOf(floors), proof: null } : { reason: 'user_inactive' };
  }

  /** The stamps are those of before the proof, whatever the floors are now. */
  private async admitSealed(proof: Verification | null): Promise<Admitted | Denied> {
    if (proof === null) return NOT_SEALED_HERE;
    const { floors, now } = await this.policies.floorsOf(proof.userId);
    if (isOver(proof, now)) return TOO_OLD;
    const user = await this.users.findById(proof.userId);
    if (user?.id !== proof.userId) return { reason: 'user_not_found' };
    return user.isActive ? { user, floors, now, stamps: proof.stamps, proof } : { reason: 'user_inactive' };
  }

  private open(
    { proof, now, ...admitted }: Admitted,
    { method, delivery, claims, binding, ...given }: Opened,
    attempt: Attempt,
  ): Promise<TokenPair | Denied> {
    demandNoDouble('claims', claims, demandClaims('user.claims', admitted.user.claims, MAX_USER_CLAIMS));
    const { authTime = proof?.authTime ?? now, acr = null } = given;
    const { amr = proof?.method === PASSWORD ? PASSWORD_AMR : null } = given;
    const said = { authTime: authTime > now ? now : authTime, amr, acr, claims };
    return this.changes.commit<TokenPair | Denied>(async () => {
      const sessionId = proof?.sessionId;
      if (sessionId !== undefined) {
        // Of two that use a sealed user at once, the second waits here, and finds the session of the first.
        await this.sessions.lockUser(admitted.user.id);
        if ((await this.sessions.findById(sessionId)) !== null) return { value: USED, events: [] };
      }
      const device = attempt.client;
      const opening = { ...admitted, sessionId, delivery, device, proof: said, binding };
      const opened = await this.openSession.open(opening, attempt);
      return { value: opened.pair, events: recordOfSuccess(attempt, opened, method) };
    });
  }

  private async refuse(
    { reason, evidence = null }: Denied,
    proof: Verification | null,
    attempt: Attempt,
    subject: Subject,
  ): Promise<Answer> {
    const record = recordOfFailure(attempt, subject, reason, evidence);
    if (evidence === null) await this.events.record(record);
    else await this.refusedSeals.record(record, proof && `verified ${proof.sessionId}`, attempt);
    this.metrics.login(reason);
    return refusal(reason);
  }
}
