import { Injectable } from '@nestjs/common';
import type { AuthEvent } from '../domain/events';
import { AuthEvents } from '../ports/auth-events';
import { RateLimits } from '../ports/rate-limits';
import type { Attempt } from './attempt';

/** How many refusals of one sealed text are recorded one by one. */
const MOST_RECORDED = 10;

/** Records refusals of sealed texts, which anybody may present as often as they like. */
@Injectable()
export class RefusedSeals {
  constructor(
    private readonly limits: RateLimits,
    private readonly events: AuthEvents,
  ) {}

  /**
   * `sealed` is the key by which the refusals of one text are counted; null for a text that was not sealed here, which is junk.
   * @throws Throttled for junk beyond the limit of its address
   */
  async record(record: readonly AuthEvent[], sealed: string | null, { network }: Attempt): Promise<void> {
    if (sealed !== null) return this.events.recordUpTo({ key: sealed, most: MOST_RECORDED }, record);
    if (network !== null) await this.limits.take('invalidPerIp', network);
    this.events.recordJunk(record);
  }
}
