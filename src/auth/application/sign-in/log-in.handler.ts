import { createHash } from 'node:crypto';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import {
  type AuthEvent,
  type FaultReason,
  LoginAttempted,
  LoginFailed,
  type LoginFailureReason,
  LoginSucceeded,
} from '../../domain/events';
import { plainTextProblem, demand } from '../../domain/input-rules';
import { loginSpelling } from '../../domain/login';
import { ok, refusal, type Result } from '../../domain/result';
import { AuthEvents } from '../../ports/auth-events';
import { AuthMetrics } from '../../ports/auth-metrics';
import { Clock } from '../../ports/clock';
import { PasswordHasher } from '../../ports/password-hasher';
import { RateLimits } from '../../ports/rate-limits';
import { SecurityPolicyRepository } from '../../ports/security-policy.repository';
import { UserDirectory, type UserWithPassword } from '../../ports/user-directory';
import { Attempt, type Subject } from '../attempt';
import { endingWithFaults } from '../faults';
import { RecordedChange } from '../recorded-change';
import type { TokenPair } from '../token-pair.issuer';
import { LogInCommand } from './log-in.command';
import { OpenSession } from './open-session';

type Answer = Result<TokenPair, 'invalid_credentials'>;

/** The id of nobody: no user's is empty. */
const NO_USER = '';

@CommandHandler(LogInCommand)
export class LogInHandler implements ICommandHandler<LogInCommand> {
  constructor(
    private readonly users: UserDirectory,
    private readonly policies: SecurityPolicyRepository,
    private readonly hasher: PasswordHasher,
    private readonly limits: RateLimits,
    private readonly openSession: OpenSession,
    private readonly changes: RecordedChange,
    private readonly events: AuthEvents,
    private readonly clock: Clock,
    private readonly metrics: AuthMetrics,
  ) {}

  async execute(command: LogInCommand): Promise<Answer> {
    demand({ login: plainTextProblem(command.login) });
    const attempt = new Attempt(command.client, this.clock.now());
    const subject: { userId?: string } = {};
    return endingWithFaults(
      this.events,
      () => this.logIn(command, attempt, subject),
      (reason) => {
        this.metrics.login(reason);
        return recordOfFailure(attempt, subject, reason);
      },
    );
  }

  /** `subject` is set once the account is known, so that a fault is recorded against it. */
  private async logIn(
    { login, password, delivery }: LogInCommand,
    attempt: Attempt,
    subject: { userId?: string },
  ): Promise<Answer> {
    const { network } = attempt;
    const accountAndIp = `${hashed(login)} ${network}`; // with the ip, so that nobody can lock others out of an account
    if (network !== null) await this.limits.take('loginPerIp', network);
    await this.limits.take('loginPerAccount', accountAndIp);

    // The floors are read before the hash: if one rises in between, the new session is refused from the start. An unknown
    // account takes the same steps, so that the time does not distinguish it from a wrong password.
    const known = await this.users.findByLogin(login);
    if (known !== null) subject.userId = known.id;
    const { floors } = await this.policies.floorsOf(known?.id ?? NO_USER);
    const found = await this.users.findByLogin(login);
    const account = found !== null && found.id === known?.id ? found : null;
    const matches = await this.hasher.verify(password, account?.passwordHash ?? null);

    const failure = failureOf(account, matches);
    if (account === null || failure !== null) {
      await this.events.record(recordOfFailure(attempt, { userId: account?.id ?? null }, failure ?? 'unknown_account'));
      this.metrics.login(failure ?? 'unknown_account');
      return refusal('invalid_credentials');
    }
    const pair = await this.changes.commit(async () => {
      const opened = await this.openSession.open(account, floors, delivery, attempt.client, attempt);
      const attempted = new LoginAttempted(attempt.beginning(opened.subject));
      const succeeded = new LoginSucceeded(attempt.ending(opened.subject));
      return { value: opened.pair, events: [attempted, succeeded, ...opened.events] };
    });
    this.metrics.login('succeeded');
    await this.limits.forget('loginPerAccount', accountAndIp);
    await this.rehash(account, password);
    return ok(pair);
  }

  /** Stores a costlier hash while the password is available; an earlier password change wins. */
  private async rehash({ id, passwordHash }: UserWithPassword, password: string): Promise<void> {
    if (!this.hasher.needsRehash(passwordHash)) return;
    try {
      await this.users.replacePasswordHash(id, passwordHash, await this.hasher.hash(password));
    } catch {
      // The next login tries again; this one has succeeded.
    }
  }
}

/** A login name as the key of a counter, hashed so that a reader of the counters does not learn it. */
const hashed = (login: string): string => createHash('sha256').update(loginSpelling(login)).digest('base64url');

function failureOf(account: UserWithPassword | null, matches: boolean): LoginFailureReason | null {
  if (account === null) return 'unknown_account';
  if (!matches) return 'wrong_password';
  return account.isActive ? null : 'user_inactive';
}

const recordOfFailure = (attempt: Attempt, subject: Subject, reason: LoginFailureReason | FaultReason): AuthEvent[] => [
  new LoginAttempted(attempt.beginning(subject)),
  new LoginFailed(attempt.ending(subject), reason),
];
