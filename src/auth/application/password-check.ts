import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { loginSpelling } from '../domain/login';
import { PasswordHasher } from '../ports/password-hasher';
import { RateLimits } from '../ports/rate-limits';
import type { UserWithPassword } from '../ports/user-directory';
import { HostUsers } from './host-users';

/** The method of a password, in records and in sealed users. */
export const PASSWORD = 'password';
/** RFC 8176. */
export const PASSWORD_AMR: readonly string[] = ['pwd'];

/** What goes with every check of a password: it is counted before, and a right one is settled after. */
@Injectable()
export class PasswordCheck {
  constructor(
    private readonly users: HostUsers,
    private readonly hasher: PasswordHasher,
    private readonly limits: RateLimits,
  ) {}

  /**
   * Counts a password that is given for a login name. From many addresses at once, an account cannot be locked, only slowed down.
   * @throws Throttled, or Overloaded before anything is counted
   */
  async count(login: string, network: string | null): Promise<void> {
    this.hasher.demandRoom?.();
    if (network !== null) await this.limits.take('loginPerIp', network);
    await this.limits.take('loginPerAccount', `${accountOf(login)} ${network}`);
    await this.limits.slow('loginAnywhere', accountOf(login));
  }

  /** After the success is recorded: the count of failures starts from zero, and a cheap hash is replaced. */
  async settle(login: string, network: string | null, account: UserWithPassword, password: string): Promise<void> {
    await this.limits.forget('loginPerAccount', `${accountOf(login)} ${network}`);
    await this.limits.forget('loginAnywhere', accountOf(login));
    await this.rehash(account, password);
  }

  /** Stores a costlier hash while the password is available; an earlier password change wins. */
  private async rehash({ id, passwordHash }: UserWithPassword, password: string): Promise<void> {
    if (!this.hasher.needsRehash(passwordHash)) return;
    try {
      await this.users.directory.replacePasswordHash(id, passwordHash, await this.hasher.hash(password));
    } catch {
      // The next check tries again; this one has succeeded.
    }
  }
}

/**
 * What the limits of an account count by; the one that refuses, with the network, so that nobody can lock others out. The login
 * name is hashed, so that a reader of the counters does not learn it.
 */
const accountOf = (login: string): string => createHash('sha256').update(loginSpelling(login)).digest('base64url');
