import { type IQueryHandler, QueryHandler } from '@nestjs/cqrs';
import { AllSessionsRevoked, SessionEvicted, SessionRevoked } from '../../domain/events';
import { demand, idProblem, pageProblem } from '../../domain/input-rules';
import { AuthOptions } from '../../options/auth.options';
import { AuthEventLog, type AuthEventPage, type EventPosition, type RecordedEvent } from '../../ports/auth-event.log';
import { SessionRepository } from '../../ports/session.repository';
import { AuditReads } from './audit-reads';
import { GetSessionHistoryQuery } from './get-session-history.query';

const MAX_PAGE = 1000;
const ENDS_AT_ONCE = 100;

@QueryHandler(GetSessionHistoryQuery)
export class GetSessionHistoryHandler implements IQueryHandler<GetSessionHistoryQuery> {
  constructor(
    private readonly log: AuthEventLog,
    private readonly sessions: SessionRepository,
    private readonly options: AuthOptions,
    private readonly reads: AuditReads,
  ) {}

  async execute({ sessionId, limit, after, actor }: GetSessionHistoryQuery): Promise<AuthEventPage> {
    demand({ sessionId: idProblem(sessionId), limit: pageProblem(limit, MAX_PAGE) });
    await this.reads.record({ sessionId }, actor);
    const own = await this.log.find({ sessionId }, limit, after, 'oldest first');
    const end = await this.endWithOthers(sessionId);
    if (end === null || (after !== undefined && !isBefore(after, end))) return own;

    const before = own.items.filter((event) => isBefore(event, end));
    const last = before.at(-1);
    if (last !== undefined && before.length === limit) {
      return { items: before, next: own.next ?? { ...positionOf(last), part: 1 } };
    }
    const room = limit - before.length - 1;
    if (room === 0) {
      const hasMore = own.items.length > before.length || own.next !== null;
      return { items: [...before, end], next: hasMore ? positionOf(end) : null };
    }
    const { items, next } = await this.log.find({ sessionId }, room, positionOf(end), 'oldest first');
    return { items: [...before, end, ...items], next };
  }

  /**
   * The record of the session's end where it ended with all of its user's and has none of its own: the first such end after
   * its creation, unless it had ended before. Null if there is none.
   */
  private async endWithOthers(sessionId: string): Promise<RecordedEvent | null> {
    const first = await this.firstOf({ sessionId });
    if (first === null || first.userId === null) return null;
    const session = await this.sessions.findById(sessionId);
    const longest = first.occurredAt.getTime() + this.options.sessionAbsoluteTtlSeconds * 1000;
    const to = session?.expiresAt ?? new Date(longest);
    const end = await this.firstEndOfAll(sessionId, first.userId, to, positionOf(first));
    if (end === null || end.sessionId === sessionId) return null;
    for (const { type } of [SessionRevoked, SessionEvicted]) {
      const ownEnd = await this.firstOf({ sessionId, type });
      if (ownEnd !== null && isBefore(ownEnd, end)) return null;
    }
    return end;
  }

  /** The first end of all, or of a part of all, that did not spare the session. */
  private async firstEndOfAll(
    sessionId: string,
    userId: string,
    to: Date,
    created: EventPosition,
  ): Promise<RecordedEvent | null> {
    for (let after: EventPosition | null = created; after !== null;) {
      const { items, next }: AuthEventPage = await this.log.find(
        { userId, type: AllSessionsRevoked.type, to },
        ENDS_AT_ONCE,
        after,
        'oldest first',
      );
      const end = items.find(({ details }) => endedIn(details, sessionId));
      if (end !== undefined) return end;
      after = next;
    }
    return null;
  }

  private async firstOf(filter: Parameters<AuthEventLog['find']>[0], after?: EventPosition) {
    return (await this.log.find(filter, 1, after, 'oldest first')).items[0] ?? null;
  }
}

/** Whether a record of the end of all covers a session: `AllSessionsRevoked`. */
const endedIn = ({ exceptSessionId, throughSessionId }: RecordedEvent['details'], sessionId: string): boolean =>
  exceptSessionId !== sessionId && (typeof throughSessionId !== 'string' || sessionId <= throughSessionId);

type Place = Pick<RecordedEvent, 'occurredAt' | 'id'>;

/** Of an event that is a record of its own. */
const positionOf = ({ occurredAt, id }: Place): EventPosition => ({ occurredAt, id, part: 0 });

const isBefore = (one: Place, other: Place): boolean =>
  one.occurredAt < other.occurredAt || (one.occurredAt.getTime() === other.occurredAt.getTime() && one.id < other.id);
