import { setTimeout as delay } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { inTime } from '../../../support/in-time';
import { Outage } from '../../../support/outage';
import { Overloaded } from '../../../support/overloaded';
import { Throttled } from '../../../support/throttled';
import { siteOf } from '../../domain/network';
import { type AuthOptions, type Limit, LIMIT_NAMES, type LimitName } from '../../options/auth.options';
import type { AuthMetrics } from '../../ports/auth-metrics';
import { RateLimits } from '../../ports/rate-limits';
import { PATIENCE_MS, type RedisConnection } from '../redis/redis-connection';

/** How many of its 65,536 networks a site of IPv6 may use to the full. */
const NETWORKS_PER_SITE = 16;
const SLOWED_MS = 2000;
/** Each holds a connection open, and memory. */
const MAX_SLOWED = 1000;

interface Limiter {
  readonly local: RateLimiterAbstract;
  readonly shared: RateLimiterAbstract | null;
}

/** Counts in Redis if one is configured, so that all instances count together, and in memory while it is unreachable. */
export class FlexibleRateLimits extends RateLimits {
  private readonly outage = new Outage(new Logger(RateLimits.name), 'Redis counts again');
  private readonly limiters = new Map<LimitName, Limiter>();
  /** Of the limits by network, for sites. */
  private readonly wider = new Map<LimitName, Limiter>();
  private slowed = 0;

  constructor(
    limits: AuthOptions['limits'],
    private readonly redis: RedisConnection | null,
    private readonly metrics: AuthMetrics,
    private readonly patienceMs = PATIENCE_MS,
    private readonly pause: () => Promise<unknown> = () => delay(SLOWED_MS),
  ) {
    super();
    for (const name of LIMIT_NAMES) {
      const limit = limits[name];
      if (limit === null) continue;
      this.limiters.set(name, this.limiterOf(name, limit));
      if (name.endsWith('PerIp'))
        this.wider.set(name, this.limiterOf(name, { ...limit, points: limit.points * NETWORKS_PER_SITE }));
    }
  }

  async take(name: LimitName, key: string): Promise<void> {
    const wait = (await this.count(this.limiters, name, key)) ?? (await this.count(this.wider, name, siteOf(key)));
    if (wait === null) return;
    this.metrics.limited(name);
    throw new Throttled(name, Math.max(1, Math.ceil(wait / 1000)));
  }

  async slow(name: LimitName, key: string): Promise<void> {
    if ((await this.count(this.limiters, name, key)) === null) return;
    this.metrics.limited(name);
    if (this.slowed >= MAX_SLOWED) throw new Overloaded('Too many requests are slowed down');
    this.slowed++;
    try {
      await this.pause();
    } finally {
      this.slowed--;
    }
  }

  async forget(name: LimitName, key: string): Promise<void> {
    const limiter = this.limiters.get(name);
    if (limiter !== undefined) await this.first(limiter, (one) => one.delete(key));
  }

  private limiterOf(name: LimitName, { points, seconds }: Limit): Limiter {
    const { redis } = this;
    const options = { points, duration: seconds, keyPrefix: `${redis?.prefix ?? ''}limit:${name}` };
    return {
      local: new RateLimiterMemory(options),
      shared:
        redis &&
        new RateLimiterRedis({
          ...options,
          // What the limiter uses of a client, on the connection of the moment.
          storeClient: {
            eval: (script: string, args: { keys: string[]; arguments: string[] }) =>
              redis.run((client) => client.eval(script, args)),
            del: (key: string) => redis.run((client) => client.del(key)),
          },
          useRedisPackage: true,
        }),
    };
  }

  /** Counts one request; how long to wait, in milliseconds, once the limit is reached, else null. */
  private async count(
    limiters: ReadonlyMap<LimitName, Limiter>,
    name: LimitName,
    key: string | null,
  ): Promise<number | null> {
    const limiter = limiters.get(name);
    if (limiter === undefined || key === null) return null;
    try {
      await this.first(limiter, (one) => one.consume(key));
      return null;
    } catch (rejection) {
      if (!(rejection instanceof RateLimiterRes)) throw rejection;
      return rejection.msBeforeNext;
    }
  }

  /** The shared limiter's word, or the local one's when there is none within 50 ms. */
  private async first<T>({ local, shared }: Limiter, ask: (limiter: RateLimiterAbstract) => Promise<T>): Promise<T> {
    if (shared === null) return ask(local);
    try {
      const answer = await inTime(ask(shared), this.patienceMs);
      this.outage.ends();
      return answer;
    } catch (error) {
      if (error instanceof RateLimiterRes) throw error;
      this.outage.goesOn(`Redis does not count, this process does: ${String(error)}`);
      this.metrics.limiterFellBack();
      return ask(local);
    }
  }
}
