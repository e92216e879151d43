import { Injectable } from '@nestjs/common';
import type { Floors } from '../../../guard/versions';
import type { LoginFailureReason } from '../../domain/events';
import { demand, plainTextProblem } from '../../domain/input-rules';
import { ok, refusal, type Result } from '../../domain/result';
import { AuthEvents } from '../../ports/auth-events';
import { AuthMetrics } from '../../ports/auth-metrics';
import { Clock } from '../../ports/clock';
import { PasswordHasher } from '../../ports/password-hasher';
import { SecurityPolicyRepository } from '../../ports/security-policy.repository';
import type { UserWithPassword } from '../../ports/user-directory';
import { Attempt } from '../attempt';
import { endingWithFaults } from '../faults';
import { HostUsers } from '../host-users';
import { PasswordCheck } from '../password-check';
import type { LogInCommand } from './log-in.command';
import { recordOfFailure } from './login-record';
import type { VerifyPasswordCommand } from './verify-password.command';

/** The id of nobody: no user's is empty. */
const NO_USER = '';

/** A right password of an active user. */
export interface ProvenPassword {
  readonly account: UserWithPassword;
  /** As they were before the password was verified. */
  readonly floors: Floors;
  /** On the database's clock. */
  readonly authTime: Date;
}

/** Verifies the password of a login, within its limits. */
@Injectable()
export class PasswordProof {
  constructor(
    private readonly users: HostUsers,
    private readonly policies: SecurityPolicyRepository,
    private readonly hasher: PasswordHasher,
    private readonly passwords: PasswordCheck,
    private readonly events: AuthEvents,
    private readonly clock: Clock,
    private readonly metrics: AuthMetrics,
  ) {}

  /**
   * One sign-in by password, or its first step: `then` records what a right password is for, and metrics count it as
   * `outcome`. Every failure is recorded, and is the same refusal after the same time (ASVS 5.0 6.3.8).
   */
  async attempt<T>(
    command: LogInCommand | VerifyPasswordCommand,
    outcome: string,
    then: (proven: ProvenPassword, attempt: Attempt) => Promise<T>,
  ): Promise<Result<T, 'invalid_credentials'>> {
    demand({ login: plainTextProblem(command.login) });
    const attempt = new Attempt(command.client, this.clock.now());
    const subject: { userId?: string } = {};
    return endingWithFaults(
      this.events,
      async () => {
        const proven = await this.verify(command, attempt, subject);
        if (proven === null) return refusal('invalid_credentials');
        const value = await then(proven, attempt);
        this.metrics.login(outcome);
        await this.passwords.settle(command.login, attempt.network, proven.account, command.password);
        return ok(value);
      },
      (reason) => {
        this.metrics.login(reason);
        return recordOfFailure(attempt, subject, reason);
      },
    );
  }

  /** Null after a failure. `subject` is set once the account is known, so that a fault is recorded against it. */
  private async verify(
    { login, password }: { readonly login: string; readonly password: string },
    attempt: Attempt,
    subject: { userId?: string },
  ): Promise<ProvenPassword | null> {
    await this.passwords.count(login, attempt.network);

    // The floors are read before the hash: if one rises in between, the new session is refused from the start. An unknown
    // account takes the same steps, so that the time does not distinguish it from a wrong password.
    const known = await this.users.findByLogin(login);
    if (known !== null) subject.userId = known.id;
    const { floors, now: authTime } = await this.policies.floorsOf(known?.id ?? NO_USER);
    const found = await this.users.findByLogin(login);
    const account = found !== null && found.id === known?.id ? found : null;
    const matches = await this.hasher.verify(password, account?.passwordHash ?? null);

    const failure = failureOf(account, matches);
    if (account === null || failure !== null) {
      await this.events.record(recordOfFailure(attempt, { userId: account?.id ?? null }, failure ?? 'unknown_account'));
      this.metrics.login(failure ?? 'unknown_account');
      return null;
    }
    return { account, floors, authTime };
  }
}

function failureOf(account: UserWithPassword | null, matches: boolean): LoginFailureReason | null {
  if (account === null) return 'unknown_account';
  if (!matches) return 'wrong_password';
  return account.isActive ? null : 'user_inactive';
}
