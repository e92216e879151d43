import { Injectable } from '@nestjs/common';
import { type AuthEvent, SessionEvicted } from '../../domain/events';
import { AuthOptions } from '../../options/auth.options';
import { Clock } from '../../ports/clock';
import { SessionRepository } from '../../ports/session.repository';
import { Attempt } from '../attempt';
import { RecordedChange } from '../recorded-change';

/** What one transaction evicts at most: a sign-in does not wait for more, and a clean-up evicts the rest. */
const BATCH = 1000;

/** Holds the number of a user's live sessions to the limit, by the end of the least recently used. */
@Injectable()
export class SessionLimit {
  constructor(
    private readonly sessions: SessionRepository,
    private readonly changes: RecordedChange,
    private readonly options: AuthOptions,
    private readonly clock: Clock,
  ) {}

  /** Makes room for a new session. Call it inside a unit of work; the caller stores the events, one for each ended session. */
  async makeRoom(userId: string, attempt: Attempt): Promise<AuthEvent[]> {
    const { maxSessionsPerUser } = this.options;
    return maxSessionsPerUser === 0 ? [] : this.evict(userId, maxSessionsPerUser - 1, attempt);
  }

  /** Evicts what sign-ins have left above the limit. Returns the number of ended sessions. */
  async evictTheRest(stop?: AbortSignal): Promise<number> {
    const { maxSessionsPerUser } = this.options;
    let total = 0;
    if (maxSessionsPerUser === 0) return total;
    for (let after: string | null = null; !stop?.aborted;) {
      const { userIds, next } = await this.sessions.findCrowdedUsers(maxSessionsPerUser, after);
      for (const userId of userIds) {
        for (let evicted = BATCH; evicted === BATCH && !stop?.aborted;) {
          evicted = await this.changes.commit(async () => {
            const events = await this.evict(userId, maxSessionsPerUser, new Attempt({}, this.clock.now()));
            return { value: events.length, events };
          });
          total += evicted;
        }
      }
      if (next === null) break;
      after = next;
    }
    return total;
  }

  private async evict(userId: string, keepLastUsed: number, attempt: Attempt): Promise<AuthEvent[]> {
    await this.sessions.lockUser(userId); // two sign-ins at once would each count without the other
    const evicted = await this.sessions.revokeSome({ userId, keepLastUsed }, 'session_limit_exceeded', BATCH);
    return evicted.map(
      (sessionId) => new SessionEvicted(attempt.finding({ userId, sessionId }), 'session_limit_exceeded'),
    );
  }
}
