import { availableParallelism } from 'node:os';
import { Injectable } from '@nestjs/common';
import { compare, genSaltSync, getRounds, hash } from 'bcrypt';
import { Overloaded } from '../../../support/overloaded';
import { fitsHash, normalisePassword } from '../../domain/password-rules';
import { AuthOptions } from '../../options/auth.options';
import { AuthMetrics } from '../../ports/auth-metrics';
import { PasswordHasher } from '../../ports/password-hasher';

/** bcrypt works in libuv's pool of four threads; one of them stays free for files and host names. */
const CONCURRENCY = Math.min(3, Math.max(2, availableParallelism()));

/** A well-formed hash of this cost that nobody's password makes: a random salt, and a digest that was never computed. */
export const decoyHash = (cost: number): string => genSaltSync(cost) + '.'.repeat(31);

const BCRYPT = /^\$2[ab]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}$/;

/** The cost of a hash, or null for what bcrypt did not make: it would be known to be wrong at once. */
const costOf = (stored: string): number | null => {
  const cost = BCRYPT.exec(stored)?.[1];
  return cost === undefined ? null : Number(cost);
};

/** bcrypt over NFKC-normalised passwords, a few at a time, with a bounded queue before it. */
@Injectable()
export class BcryptPasswordHasher extends PasswordHasher {
  private readonly waiting: (() => void)[] = [];
  private running = 0;

  constructor(
    private readonly options: AuthOptions,
    private readonly metrics: AuthMetrics,
  ) {
    super();
  }

  /** @throws RangeError for more than the 72 bytes that bcrypt reads: the password rules come first */
  override async hash(password: string): Promise<string> {
    const normalised = normalisePassword(password);
    if (!fitsHash(normalised)) throw new RangeError('A password of more than 72 bytes cannot be hashed');
    return this.queued(() => hash(normalised, this.options.bcryptCost));
  }

  override async verify(password: string, stored: string | null): Promise<boolean> {
    const normalised = normalisePassword(password);
    const { bcryptCost } = this.options;
    const cost = stored === null ? null : costOf(stored);
    const equal = await this.queued(async () => {
      // Compared also where the answer is known, so that it takes as long as a wrong password.
      const equal = await compare(normalised, cost === null || stored === null ? decoyHash(bcryptCost) : stored);
      // A cheaper hash is known sooner. What is missing to the configured work is 2^cost + … + 2^(bcryptCost - 1).
      for (let more = cost ?? bcryptCost; more < bcryptCost; more++) await compare(normalised, decoyHash(more));
      return equal;
    });
    return equal && cost !== null && fitsHash(normalised);
  }

  override needsRehash(stored: string): boolean {
    return getRounds(stored) < this.options.bcryptCost;
  }

  override demandRoom(): void {
    if (this.running >= CONCURRENCY && this.waiting.length >= this.options.hashQueueLimit)
      throw new Overloaded('Too many passwords wait to be hashed');
  }

  private async queued<T>(work: () => Promise<T>): Promise<T> {
    if (this.running < CONCURRENCY) this.running++;
    else await this.turn();
    try {
      return await work();
    } finally {
      // The place goes directly to the caller that has waited longest, so that no later caller can take it.
      const next = this.waiting.shift();
      if (next === undefined) this.running--;
      else next();
      this.metrics.hashQueue(this.waiting.length);
    }
  }

  private turn(): Promise<void> {
    this.demandRoom();
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      this.metrics.hashQueue(this.waiting.length);
    });
  }
}
