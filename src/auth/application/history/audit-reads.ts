import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { AuditRead } from '../../domain/events';
import type { EventFilter } from '../../ports/auth-event.log';
import { AuthEvents } from '../../ports/auth-events';
import { Clock } from '../../ports/clock';
import { type Actor, actorId } from '../actor';
import { Attempt } from '../attempt';

const ONCE_IN_SECONDS = 600;
/** Of different filters: enough for a person, not for a program that fills the record. */
const PER_MINUTE = 60;
const MAX_REMEMBERED = 10_000;

/**
 * Records who reads the audit trail (PCI DSS 4.0.1, 10.2.1.3): once for each administrator, filter and 10 minutes, in each
 * process.
 */
@Injectable()
export class AuditReads {
  private readonly recorded = new LRUCache<string, Promise<void>>({ max: MAX_REMEMBERED });

  constructor(
    private readonly events: AuthEvents,
    private readonly clock: Clock,
  ) {}

  /**
   * Resolves when the reading is recorded; read after that. An actor without a user, such as the command line, leaves no
   * record: it has the database itself.
   * @throws NotRecorded, and InvalidInput for an actor that is no user's id
   */
  async record(filter: EventFilter, actor: Actor): Promise<void> {
    const userId = actorId(actor);
    if (userId === null) return;
    const now = this.clock.now();
    const given = textsOf(filter);
    const key = JSON.stringify([userId, given, Math.floor(now.getTime() / (ONCE_IN_SECONDS * 1000))]);
    const known = this.recorded.get(key);
    if (known !== undefined) return known;
    const read = new AuditRead(new Attempt(actor.client ?? {}, now).ending({ userId }), given);
    const recording = this.events.recordUpTo({ key: `read ${userId}`, most: PER_MINUTE, seconds: 60 }, [read]);
    this.recorded.set(key, recording);
    recording.catch(() => this.recorded.delete(key));
    return recording;
  }
}

/** The filters that were given, in one order. */
function textsOf({ userId, sessionId, attemptId, type, outcome, from, to }: EventFilter): Record<string, string> {
  const all = { userId, sessionId, attemptId, type, outcome, from: from?.toISOString(), to: to?.toISOString() };
  return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined));
}
