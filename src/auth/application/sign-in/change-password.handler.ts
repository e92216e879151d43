import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type Floors, isHonoured } from '../../../guard/versions';
import {
  type AuthEvent,
  PasswordChangeAttempted,
  PasswordChangeFailed,
  PasswordChangeSucceeded,
} from '../../domain/events';
import { demand, idProblem, userIdProblem } from '../../domain/input-rules';
import { passwordProblem } from '../../domain/password-rules';
import { ok, refusal, type Result } from '../../domain/result';
import type { Session } from '../../domain/session';
import { AuthEvents } from '../../ports/auth-events';
import { Clock } from '../../ports/clock';
import { PasswordHasher } from '../../ports/password-hasher';
import { RateLimits } from '../../ports/rate-limits';
import { SecurityPolicyRepository } from '../../ports/security-policy.repository';
import { SessionRepository } from '../../ports/session.repository';
import { UserDirectory, type UserWithPassword } from '../../ports/user-directory';
import { Attempt } from '../attempt';
import { endingWithFaults } from '../faults';
import { type Recorded, RecordedChange } from '../recorded-change';
import { UserRevocation } from '../sessions/user-revocation';
import { type ChangedPassword, ChangePasswordCommand, type PasswordChangeRefusal } from './change-password.command';
import { OpenSession } from './open-session';

type Answer = Result<ChangedPassword, PasswordChangeRefusal>;

@CommandHandler(ChangePasswordCommand)
export class ChangePasswordHandler implements ICommandHandler<ChangePasswordCommand> {
  constructor(
    private readonly users: UserDirectory,
    private readonly sessions: SessionRepository,
    private readonly hasher: PasswordHasher,
    private readonly limits: RateLimits,
    private readonly policies: SecurityPolicyRepository,
    private readonly revocation: UserRevocation,
    private readonly openSession: OpenSession,
    private readonly changes: RecordedChange,
    private readonly events: AuthEvents,
    private readonly clock: Clock,
  ) {}

  async execute(command: ChangePasswordCommand): Promise<Answer> {
    demand({ userId: userIdProblem(command.userId), sessionId: idProblem(command.sessionId) });
    const problem = passwordProblem(command.newPassword);
    if (problem !== null) return refusal({ kind: 'invalid', path: 'newPassword', message: `newPassword ${problem}` });

    const { userId, sessionId } = command;
    const attempt = new Attempt(command.client, this.clock.now());
    const failed = (reason: PasswordChangeFailed['reason']): AuthEvent[] => [
      new PasswordChangeAttempted(attempt.beginning({ userId, sessionId })),
      new PasswordChangeFailed(attempt.ending({ userId, sessionId }), reason),
    ];
    return endingWithFaults(
      this.events,
      async () => {
        const changed = await this.change(command, attempt);
        if (typeof changed !== 'string') return ok(changed);
        await this.events.record(failed(changed));
        return refusal({ kind: 'invalid_credentials' });
      },
      failed,
    );
  }

  private async change(
    command: ChangePasswordCommand,
    attempt: Attempt,
  ): Promise<ChangedPassword | PasswordChangeFailed['reason']> {
    // Read before everything else, and only once: if a floor rises from here on, the new session is refused from the start.
    const { floors, now } = await this.policies.floorsOf(command.userId);
    const session = await this.sessions.findById(command.sessionId);
    if (session?.userId !== command.userId || session.revokedAt !== null || !isHonoured(session, floors, now))
      return 'session_ended';
    // A thief with an access token must not guess forever, and must not lock its owner out either.
    await this.limits.take('loginPerAccount', `password ${command.userId} ${attempt.network}`);
    const user = await this.userWithPassword(command.userId);
    if (user === null) return 'user_not_found';
    if (!(await this.hasher.verify(command.currentPassword, user.passwordHash))) return 'wrong_password';
    const next = await this.hasher.hash(command.newPassword); // slow, so before the transaction opens
    return this.changes.commit<ChangedPassword | 'wrong_password'>(async () => ({
      ...(await this.replaceSessions(user, session, floors, attempt)),
      // Replaces only the hash that was verified: of two changes at once, the second was sent with a replaced password.
      last: async () =>
        (await this.users.replacePasswordHash(user.id, user.passwordHash, next)) ? null : 'wrong_password',
    }));
  }

  private async replaceSessions(
    user: UserWithPassword,
    session: Session,
    floors: Floors,
    attempt: Attempt,
  ): Promise<Recorded<ChangedPassword>> {
    const old = { userId: user.id, sessionId: session.id };
    const revoked = await this.revocation.revokeAll(old, 'password_changed', attempt);
    const raised = { ...floors, userMinTokenVersion: floors.userMinTokenVersion + 1 };
    const { pair, subject, events } = await this.openSession.open(user, raised, session.delivery, session, attempt);
    return {
      value: { pair, delivery: session.delivery },
      events: [
        new PasswordChangeAttempted(attempt.beginning(old)),
        ...revoked.events,
        new PasswordChangeSucceeded(attempt.ending(subject), revoked.revokedSessions),
        ...events,
      ],
    };
  }

  private async userWithPassword(userId: string): Promise<UserWithPassword | null> {
    const found = await (this.users.findByIdWithPassword?.(userId) ?? this.findByEmail(userId));
    return found !== null && found.id === userId && found.isActive ? found : null;
  }

  /** For a directory that finds hashes by login alone, and whose login name is the e-mail. */
  private async findByEmail(userId: string): Promise<UserWithPassword | null> {
    const user = await this.users.findById(userId);
    return user === null ? null : this.users.findByLogin(user.email);
  }
}
