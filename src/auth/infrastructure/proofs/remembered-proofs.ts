import { Logger } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { inTime } from '../../../support/in-time';
import { Outage } from '../../../support/outage';
import { SeenProofs } from '../../ports/seen-proofs';
import { PATIENCE_MS, type RedisConnection } from '../redis/redis-connection';

const SECONDS = 60;
const MAX_REMEMBERED = 100_000;

/** Remembers in this process and, if Redis is configured, in Redis, so that a proof counts once for all instances. */
export class RememberedProofs extends SeenProofs {
  private proofs: LRUCache<string, true> | undefined;
  private readonly outage = new Outage(new Logger(SeenProofs.name), 'Redis remembers proofs again');

  constructor(
    private readonly redis: RedisConnection | null,
    private readonly patienceMs = PATIENCE_MS,
  ) {
    super();
  }

  /** Made for the first proof, since it takes the room of all at once. */
  private get local(): LRUCache<string, true> {
    return (this.proofs ??= new LRUCache({ max: MAX_REMEMBERED, ttl: SECONDS * 1000 }));
  }

  async isNew(id: string): Promise<boolean> {
    if (this.local.has(id)) return false;
    this.local.set(id, true); // before anything is awaited: of two at once, one is new
    if (this.redis === null) return true;
    const key = `${this.redis.prefix}proof:${id}`;
    const once = { condition: 'NX', expiration: { type: 'EX', value: SECONDS } } as const;
    try {
      const answer = await inTime(
        this.redis.run((client) => client.set(key, '1', once)),
        this.patienceMs,
      );
      this.outage.ends();
      return answer !== null;
    } catch (error) {
      this.outage.goesOn(`Redis remembers no proofs, this process does: ${String(error)}`);
      return true;
    }
  }
}
