import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { Floors } from '../../../guard/versions';
import { demandClaims, demandNoDouble, MAX_SESSION_CLAIMS, MAX_USER_CLAIMS } from '../../domain/claims';
import { type ActAsRefusal, type FaultReason, UserActAsFailed, UserActedAs } from '../../domain/events';
import { demand, idProblem, reasonProblem, ttlProblem, userIdProblem } from '../../domain/input-rules';
import { ok, refusal, type Result } from '../../domain/result';
import { type Claims, isLive, type Session } from '../../domain/session';
import { AuthOptions } from '../../options/auth.options';
import { AuthEvents } from '../../ports/auth-events';
import { Clock } from '../../ports/clock';
import { RateLimits } from '../../ports/rate-limits';
import { SecurityPolicyRepository } from '../../ports/security-policy.repository';
import { SessionRepository } from '../../ports/session.repository';
import { refusedChangesOf } from '../actor';
import { Attempt } from '../attempt';
import { endingWithFaults } from '../faults';
import { HostUsers } from '../host-users';
import { type ActingToken, TokenPairIssuer } from '../token-pair.issuer';
import { ActAsUserCommand } from './act-as-user.command';

/** Whose act it is, as far as it is known. */
interface Parties {
  userId: string;
  actorId: string | null;
}

/** A session whose user may act, and the policy and the clock of that judgement. */
interface Actor {
  readonly session: Session;
  readonly floors: Floors;
  readonly now: Date;
}

@CommandHandler(ActAsUserCommand)
export class ActAsUserHandler implements ICommandHandler<ActAsUserCommand> {
  constructor(
    private readonly users: HostUsers,
    private readonly sessions: SessionRepository,
    private readonly policies: SecurityPolicyRepository,
    private readonly issuer: TokenPairIssuer,
    private readonly events: AuthEvents,
    private readonly options: AuthOptions,
    private readonly clock: Clock,
    private readonly limits: RateLimits,
  ) {}

  async execute(command: ActAsUserCommand): Promise<Result<ActingToken, ActAsRefusal>> {
    const { actorSession: sessionId, userId: given, acting } = command;
    const { reason, ttl, client = {} } = acting;
    demand({
      actorSession: idProblem(sessionId),
      userId: userIdProblem(given),
      reason: reasonProblem(reason),
      ttl: ttlProblem(ttl, this.options.accessTokenTtlSeconds),
    });
    const claims = demandClaims('claims', acting.claims, MAX_SESSION_CLAIMS);
    const attempt = new Attempt(client, this.clock.now());
    const parties: Parties = { userId: given, actorId: null };
    const subject = () => ({ userId: parties.userId, sessionId });
    const failed = (why: ActAsRefusal | FaultReason) => [
      new UserActAsFailed(attempt.ending(subject()), parties.actorId, why, reason),
    ];
    return endingWithFaults(
      this.events,
      async () => {
        const token = await this.act(sessionId, parties, ttl, claims);
        if (typeof token === 'string') {
          await this.events.recordUpTo(refusedChangesOf({ userId: parties.actorId ?? undefined }), failed(token));
          return refusal(token);
        }
        const expiresAt = token.expiresAt.toISOString();
        await this.events.record([new UserActedAs(attempt.ending(subject()), parties.actorId, reason, expiresAt)]);
        return ok(token);
      },
      failed,
    );
  }

  /** `parties` get the directory's spelling of the user, and the actor. */
  private async act(
    sessionId: string,
    parties: Parties,
    ttl: number,
    claims: Claims | null,
  ): Promise<ActingToken | ActAsRefusal> {
    const userId = (parties.userId = await this.users.spellingOf(parties.userId));
    // Before the user is read and the actor judged: what ends either of them in between refuses the token from the start.
    const { floors } = await this.policies.floorsOf(userId);
    const user = await this.users.findById(userId);
    const actor = await this.actorOf(sessionId, parties);
    if (typeof actor === 'string') return actor;
    if (parties.actorId === userId) return 'acting_for_oneself';
    if (user?.id !== userId) return 'user_not_found';
    if (!user.isActive) return 'user_inactive';
    // Every token is a record.
    await this.limits.take('listPerUser', actor.session.userId);
    demandNoDouble('claims', claims, demandClaims('user.claims', user.claims, MAX_USER_CLAIMS));
    return this.issuer.issueActing(user, floors.userMinTokenVersion, { ttl, claims }, actor);
  }

  private async actorOf(sessionId: string, parties: Parties): Promise<Actor | ActAsRefusal> {
    const session = await this.sessions.findById(sessionId);
    if (session === null) return 'actor_session_ended';
    parties.actorId = session.userId;
    const { floors, now } = await this.policies.floorsOf(session.userId);
    if (!isLive(session, floors, now)) return 'actor_session_ended';
    const user = await this.users.findById(session.userId);
    return user?.id === session.userId && user.isActive ? { session, floors, now } : 'actor_inactive';
  }
}
