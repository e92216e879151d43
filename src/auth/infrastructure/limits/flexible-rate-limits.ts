import { Logger } from '@nestjs/common';
import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { inTime } from '../../../support/in-time';
import { Outage } from '../../../support/outage';
import { Throttled } from '../../../support/throttled';
import { type AuthOptions, LIMIT_NAMES, type LimitName } from '../../options/auth.options';
import type { AuthMetrics } from '../../ports/auth-metrics';
import { RateLimits } from '../../ports/rate-limits';
import { PATIENCE_MS, type RedisConnection } from '../redis/redis-connection';

interface Limiter {
  readonly local: RateLimiterAbstract;
  readonly shared: RateLimiterAbstract | null;
}

/** Counts in Redis if one is configured, so that all instances count together, and in memory while it is unreachable. */
export class FlexibleRateLimits extends RateLimits {
  private readonly outage = new Outage(new Logger(RateLimits.name), 'Redis counts again');
  private readonly limiters = new Map<LimitName, Limiter>();

  constructor(
    limits: AuthOptions['limits'],
    redis: RedisConnection | null,
    private readonly metrics: AuthMetrics,
    private readonly patienceMs = PATIENCE_MS,
  ) {
    super();
    for (const name of LIMIT_NAMES) {
      const limit = limits[name];
      if (limit === null) continue;
      const options = {
        points: limit.points,
        duration: limit.seconds,
        keyPrefix: `${redis?.prefix ?? ''}limit:${name}`,
      };
      this.limiters.set(name, {
        local: new RateLimiterMemory(options),
        shared: redis && new RateLimiterRedis({ ...options, storeClient: redis.client, useRedisPackage: true }),
      });
    }
  }

  async take(name: LimitName, key: string): Promise<void> {
    const limiter = this.limiters.get(name);
    if (limiter === undefined) return;
    try {
      await this.first(limiter, (one) => one.consume(key));
    } catch (rejection) {
      if (!(rejection instanceof RateLimiterRes)) throw rejection;
      this.metrics.limited(name);
      throw new Throttled(name, Math.max(1, Math.ceil(rejection.msBeforeNext / 1000)));
    }
  }

  async forget(name: LimitName, key: string): Promise<void> {
    const limiter = this.limiters.get(name);
    if (limiter !== undefined) await this.first(limiter, (one) => one.delete(key));
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
      return ask(local);
    }
  }
}
