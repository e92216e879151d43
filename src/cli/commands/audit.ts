import { setTimeout as delay } from 'node:timers/promises';
import { QueryBus } from '@nestjs/cqrs';
import { type Command, Option } from 'commander';
import { whole } from '../../readings';
import {
  AUTH_EVENTS,
  type EventFilter,
  type EventPosition,
  FindAuthEventsQuery,
  type RecordedEvent,
} from '../../index';
import { by } from '../arguments';
import type { Shell } from '../shell';
import { printable } from '../text';

const PAGE = 200;
const LOOK_EVERY_MS = 1000;
/** An event has the time at which its attempt began, and becomes visible when the attempt commits. */
const LATE_MS = 10_000;

export function audit(program: Command, shell: Shell): void {
  program
    .command('audit')
    .description('the audit trail')
    .command('tail')
    .description('the latest events, oldest first; with --json one object a line')
    .addOption(new Option('-n, --lines <n>', 'the number of events').argParser(by(whole(0, 100_000))).default(20))
    .option('-f, --follow', 'also print new events')
    .addOption(new Option('--type <type>', 'only events of this type').choices(AUTH_EVENTS.map(({ type }) => type)))
    .action(({ lines, follow, type }: { lines: number; follow?: true; type?: string }) =>
      shell.withAuth(async (app) => {
        const queries = app.get(QueryBus);
        const show = (events: readonly RecordedEvent[]) =>
          events.forEach((event) => process.stdout.write(`${shell.json ? JSON.stringify(event) : lineOf(event)}\n`));
        if (!follow) show(await latest(queries, { type }, lines));
        else await tail(queries, { type }, lines, show);
      }),
    );
}

/** Until the process ends. */
async function tail(
  queries: QueryBus,
  filter: EventFilter,
  lines: number,
  show: (events: readonly RecordedEvent[]) => void,
): Promise<void> {
  let from = windowOf(await latest(queries, filter, 1));
  // Read before the lines that are shown first: what commits between the two is then either among those or still to come.
  const before = await latest(queries, { ...filter, from });
  const first = await latest(queries, filter, lines);
  show(first);
  let seen = new Set([...before, ...first].map(({ id }) => id));
  for (;;) {
    await delay(LOOK_EVERY_MS);
    const window = await latest(queries, { ...filter, from });
    show(window.filter(({ id }) => !seen.has(id)));
    seen = new Set(window.map(({ id }) => id));
    from = windowOf(window);
  }
}

const windowOf = (events: readonly RecordedEvent[]): Date =>
  new Date((events.at(-1)?.occurredAt.getTime() ?? LATE_MS) - LATE_MS);

/** The newest events, oldest first. */
async function latest(queries: QueryBus, filter: EventFilter, count = Infinity): Promise<RecordedEvent[]> {
  const found: RecordedEvent[] = [];
  for (let after: EventPosition | undefined; found.length < count;) {
    const page = await queries.execute(new FindAuthEventsQuery(filter, Math.min(PAGE, count - found.length), after));
    found.push(...page.items);
    if (page.next === null) break;
    after = page.next;
  }
  return found.reverse();
}

function lineOf(event: RecordedEvent): string {
  const { occurredAt, type, userId, sessionId, generation, ipAddress, userAgent, reason, details } = event;
  const facts = { user: userId, session: sessionId, generation, ip: ipAddress, agent: userAgent, reason, ...details };
  const told = Object.entries(facts).flatMap(([name, value]) =>
    value === null ? [] : [`${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`],
  );
  return printable([occurredAt.toISOString(), type, ...told].join('  '));
}
