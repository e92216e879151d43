import { type IQueryHandler, QueryHandler } from '@nestjs/cqrs';
import { AUTH_EVENTS } from '../../domain/events';
import { demand, hoursProblem, timeProblem } from '../../domain/input-rules';
import { AuthEventLog } from '../../ports/auth-event.log';
import { Clock } from '../../ports/clock';
import { AuditReads } from './audit-reads';
import { CountRareEventsQuery, type RareEvents } from './count-rare-events.query';

const HOUR_MS = 3_600_000;
/** Of a type: an attack leaves more, and whether they are 10,000 or a million says nothing more. */
const MOST = 10_000;

@QueryHandler(CountRareEventsQuery)
export class CountRareEventsHandler implements IQueryHandler<CountRareEventsQuery> {
  constructor(
    private readonly log: AuthEventLog,
    private readonly reads: AuditReads,
    private readonly clock: Clock,
  ) {}

  async execute({ hours, to: given, actor }: CountRareEventsQuery): Promise<RareEvents> {
    demand({ hours: hoursProblem(hours), to: given === undefined ? null : timeProblem(given) });
    await this.reads.record({ to: given }, actor);
    // The end is exclusive, and what was recorded in this millisecond counts.
    const to = given ?? new Date(this.clock.now().getTime() + 1);
    const from = new Date(to.getTime() - hours * HOUR_MS);
    const found = await this.log.countRare(from, hours, MOST);
    const types = AUTH_EVENTS.flatMap(({ type, outcome }): RareEvents['types'] => {
      const own = found.filter((one) => one.type === type);
      if (own.length === 0) return [];
      const counts = new Array<number>(hours).fill(0);
      for (const { hour, count } of own) counts[hour] = count;
      return [{ type, outcome, counts, isWhole: own.reduce((sum, { count }) => sum + count, 0) < MOST }];
    });
    return { from, to, types };
  }
}
