import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Overloaded } from '../../../support/overloaded';
import {
  type AuthEvent,
  type FaultReason,
  PasswordResetAttempted,
  PasswordResetFailed,
  type PasswordResetFailureReason,
  PasswordResetSucceeded,
} from '../../domain/events';
import { passwordProblem } from '../../domain/password-rules';
import { isTooOld, type ResetTicket, ResetTicketSeal } from '../../domain/reset-ticket';
import { ok, refusal, type Result } from '../../domain/result';
import { AuthOptions } from '../../options/auth.options';
import { AuthEvents } from '../../ports/auth-events';
import { Clock } from '../../ports/clock';
import { PasswordHasher } from '../../ports/password-hasher';
import { SecurityPolicyRepository } from '../../ports/security-policy.repository';
import { Attempt, type Subject } from '../attempt';
import { endingWithFaults } from '../faults';
import { HostUsers } from '../host-users';
import { RecordedChange } from '../recorded-change';
import { RefusedSeals } from '../refused-seals';
import { UserRevocation } from '../sessions/user-revocation';
import { type PasswordResetRefusal, ResetPasswordCommand } from './reset-password.command';

type Answer = Result<void, PasswordResetRefusal>;

interface Denied {
  readonly reason: PasswordResetFailureReason;
  readonly evidence?: PasswordResetFailed['evidence'];
}

const NOT_SEALED_HERE: Denied = { reason: 'reset_ticket_invalid', evidence: 'not_sealed_here' };
const TOO_OLD: Denied = { reason: 'reset_ticket_invalid', evidence: 'too_old' };
const USED: Denied = { reason: 'reset_ticket_invalid', evidence: 'used' };

/** The stored hash was replaced while the new one was computed, by a rehash for example. The ticket remains valid. */
class HashReplaced extends Overloaded {
  constructor() {
    super('The stored password hash changed during its reset');
  }
}

@CommandHandler(ResetPasswordCommand)
export class ResetPasswordHandler implements ICommandHandler<ResetPasswordCommand> {
  constructor(
    private readonly seal: ResetTicketSeal,
    private readonly users: HostUsers,
    private readonly hasher: PasswordHasher,
    private readonly policies: SecurityPolicyRepository,
    private readonly revocation: UserRevocation,
    private readonly changes: RecordedChange,
    private readonly events: AuthEvents,
    private readonly refusedSeals: RefusedSeals,
    private readonly options: AuthOptions,
    private readonly clock: Clock,
  ) {}

  async execute({ ticket: sealed, newPassword, client }: ResetPasswordCommand): Promise<Answer> {
    const problem = passwordProblem(newPassword);
    if (problem !== null) return refusal({ kind: 'invalid', path: 'newPassword', message: `newPassword ${problem}` });
    const attempt = new Attempt(client, this.clock.now());
    // From a request it may be anything.
    const ticket = typeof sealed === 'string' ? this.seal.open(sealed) : null;
    const subject = { userId: ticket?.userId ?? null };
    return endingWithFaults(
      this.events,
      async () => {
        const denied = ticket === null ? NOT_SEALED_HERE : await this.reset(ticket, newPassword, attempt);
        if (denied === null) return ok();
        const key = ticket && `reset ticket ${ticket.userId} ${ticket.issuedAt.getTime()}`;
        await this.refusedSeals.record(recordOfFailure(attempt, subject, denied), key, attempt);
        return refusal({ kind: 'reset_ticket_invalid' });
      },
      (reason) => recordOfFailure(attempt, subject, { reason }),
    );
  }

  /** Null when it is done. */
  private async reset(ticket: ResetTicket, newPassword: string, attempt: Attempt): Promise<Denied | null> {
    const { userId, floor } = ticket;
    const { floors, now } = await this.policies.floorsOf(userId);
    if (isTooOld(ticket, this.options.resetTicketTtlSeconds, now)) return TOO_OLD;
    if (floors.userMinTokenVersion !== floor) return USED; // the raise below decides; a used ticket costs no hash
    const user = await this.users.findByIdWithPassword(userId);
    if (user?.id !== userId) return { reason: 'user_not_found' };
    const next = await this.hasher.hash(newPassword); // slow, so before the transaction opens
    return this.changes.commit<Denied | null>(async () => {
      const revoked = await this.revocation.revokeAllFrom(floor, { userId }, 'password_reset', attempt);
      if (revoked === null) return { value: USED, events: [] };
      return {
        value: null,
        events: [
          new PasswordResetAttempted(attempt.beginning({ userId })),
          ...revoked.events,
          new PasswordResetSucceeded(attempt.ending({ userId }), revoked.revokedSessions),
        ],
        last: async () => {
          if (await this.users.directory.replacePasswordHash(userId, user.passwordHash, next)) return null;
          throw new HashReplaced();
        },
      };
    });
  }
}

const recordOfFailure = (
  attempt: Attempt,
  subject: Subject,
  { reason, evidence = null }: Omit<Denied, 'reason'> & { readonly reason: PasswordResetFailureReason | FaultReason },
): AuthEvent[] => [
  new PasswordResetAttempted(attempt.beginning(subject)),
  new PasswordResetFailed(attempt.ending(subject), reason, evidence),
];
