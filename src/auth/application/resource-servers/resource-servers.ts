import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Client } from '../../domain/session';
import { AuthOptions } from '../../options/auth.options';
import { Clock } from '../../ports/clock';
import { RateLimits } from '../../ports/rate-limits';
import { Attempt } from '../attempt';

const digestOf = (secret: string): Buffer => hash('sha256', secret, 'buffer');

/** The services that may introspect tokens and follow the revocations. */
@Injectable()
export class ResourceServers {
  private readonly digests: ReadonlyMap<string, Buffer>;
  private readonly nobodys = randomBytes(32);

  constructor(
    { resourceServers }: AuthOptions,
    private readonly limits: RateLimits,
    private readonly clock: Clock,
  ) {
    this.digests = new Map(resourceServers.map(({ name, secret }) => [name, digestOf(secret)]));
  }

  /**
   * Returns whether the secret is that of the service. It takes the same time for every name and every secret. Wrong secrets
   * are limited by address; a right one is always accepted.
   * @throws Throttled
   */
  async isGenuine(name: string, secret: string, client: Client): Promise<boolean> {
    const expected = this.digests.get(name);
    const equal = timingSafeEqual(expected ?? this.nobodys, digestOf(secret));
    if (expected !== undefined && equal) return true;
    const { network } = new Attempt(client, this.clock.now());
    if (network !== null) await this.limits.take('invalidPerIp', network);
    return false;
  }
}
