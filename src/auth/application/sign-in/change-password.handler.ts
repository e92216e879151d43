import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type Floors, isHonoured, stampsOf } from '../../../guard/versions';
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
import type { UserWithPassword } from '../../ports/user-directory';
import { Attempt } from '../attempt';
import { endingWithFaults } from '../faults';
import { HostUsers } from '../host-users';
import { PASSWORD_AMR } from '../password-check';
import { type Recorded, RecordedChange } from '../recorded-change';
import { UserRevocation } from '../sessions/user-revocation';
import { type ChangedPassword, ChangePasswordCommand, type PasswordChangeRefusal } from './change-password.command';
import { OpenSession } from './open-session';

type Answer = Result<ChangedPassword, PasswordChangeRefusal>;

@CommandHandler(ChangePasswordCommand)
export class ChangePasswordHandler implements ICommandHandler<ChangePasswordCommand> {
  constructor(
    private readonly users: HostUsers,
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

    const subject = { userId: command.userId, sessionId: command.sessionId };
    const attempt = new Attempt(command.client, this.clock.now());
    const failed = (reason: PasswordChangeFailed['reason']): AuthEvent[] => [
      new PasswordChangeAttempted(attempt.beginning(subject)),
      new PasswordChangeFailed(attempt.ending(subject), reason),
    ];
    return endingWithFaults(
      this.events,
      async () => {
        const changed = await this.change(command, subject, attempt);
        if (typeof changed !== 'string') return ok(changed);
        await this.events.record(failed(changed));
        return refusal({ kind: 'invalid_credentials' });
      },
      failed,
    );
  }

  /** `subject` gets the directory's spelling. */
  private async change(
    command: ChangePasswordCommand,
    subject: { userId: string },
    attempt: Attempt,
  ): Promise<ChangedPassword | PasswordChangeFailed['reason']> {
    const userId = (subject.userId = await this.users.spellingOf(command.userId));
    // Read before the password, and only once: if a floor rises from here on, the new session is refused from the start.
    const reading = await this.policies.floorsOf(userId);
    const { floors, now } = reading;
    const session = await this.sessions.findById(command.sessionId);
    if (session?.userId !== userId || session.revokedAt !== null || !isHonoured(session, floors, now))
      return 'session_ended';
    // A thief with an access token must not guess forever, and must not lock its owner out either.
    await this.limits.take('loginPerAccount', `password ${userId} ${attempt.network}`);
    const user = await this.userWithPassword(userId);
    if (user === null) return 'user_not_found';
    if (!(await this.hasher.verify(command.currentPassword, user.passwordHash))) return 'wrong_password';
    const next = await this.hasher.hash(command.newPassword); // slow, so before the transaction opens
    return this.changes.commit<ChangedPassword | 'wrong_password'>(async () => ({
      ...(await this.replaceSessions(user, session, reading, attempt)),
      // Replaces only the hash that was verified: of two changes at once, the second was sent with a replaced password.
      last: async () =>
        (await this.users.directory.replacePasswordHash(user.id, user.passwordHash, next)) ? null : 'wrong_password',
    }));
  }

  private async replaceSessions(
    user: UserWithPassword,
    session: Session,
    { floors, now }: { readonly floors: Floors; readonly now: Date },
    attempt: Attempt,
  ): Promise<Recorded<ChangedPassword>> {
    const old = { userId: user.id, sessionId: session.id };
    const revoked = await this.revocation.revokeAll(old, 'password_changed', attempt);
    const raised = { ...floors, userMinTokenVersion: floors.userMinTokenVersion + 1 };
    const { pair, subject, events } = await this.openSession.open(
      {
        user,
        floors: raised,
        stamps: stampsOf(raised),
        delivery: session.delivery,
        device: session,
        // Proved by the password alone, whatever had proved the old one.
        proof: { authTime: now, amr: PASSWORD_AMR, acr: null, claims: session.claims },
        // Otherwise a thief of an access token who knows the password would get a session without the key.
        binding: session.binding,
      },
      attempt,
    );
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
    const found = await this.users.findByIdWithPassword(userId);
    return found !== null && found.id === userId && found.isActive ? found : null;
  }
}
