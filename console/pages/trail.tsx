import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { answerOf, get, withQuery } from '../api';
import type { AuditEvent, Page } from '../answers';
import { Action, Field, Notice, Show, useLoad, wordsOf } from '../parts';
import { type Place, to } from '../routing';
import { clockText, counted, eventText } from '../texts';
import { EventTable } from './events';

const FILTERS = ['userId', 'sessionId', 'attemptId', 'type', 'outcome', 'from', 'to'] as const;
type Filter = Readonly<Record<(typeof FILTERS)[number], string>>;

/** The types of events that this version knows, which the build writes here. */
declare const EVENT_TYPES: readonly string[];
const ROWS = 50;
const TAIL_MS = 2000;
const HOUR_MS = 3_600_000;
const HOURS = 24;
/** Pages of failures that the histogram reads at most. */
const RARE_PAGES = 5;

const filterIn = ({ parameters }: Place): Filter =>
  Object.fromEntries(FILTERS.map((name) => [name, parameters.get(name) ?? ''])) as Filter;

/** The time zone of the page counts for a time that has none. */
const timed = (filter: Filter): Filter => ({ ...filter, from: isoOf(filter.from), to: isoOf(filter.to) });

function isoOf(local: string): string {
  const time = Date.parse(local);
  return local === '' || Number.isNaN(time) ? '' : new Date(time).toISOString();
}

function Filters({ filter }: { readonly filter: Filter }): JSX.Element {
  const [given, setGiven] = useState(filter);
  const field = (name: (typeof FILTERS)[number]) => ({
    name,
    value: given[name],
    onInput: ({ currentTarget: { value } }: { currentTarget: { value: string } }) =>
      setGiven({ ...given, [name]: value.trim() }),
  });
  const submit = (event: Event): void => {
    event.preventDefault();
    location.hash = withQuery(to('trail'), given);
  };
  return (
    <form class="filters" onSubmit={submit}>
      <Field label="User id">
        <input maxLength={128} {...field('userId')} />
      </Field>
      <Field label="Session id">
        <input maxLength={36} {...field('sessionId')} />
      </Field>
      <Field label="Type">
        <select {...field('type')}>
          <option value="">any</option>
          {EVENT_TYPES.map((type) => (
            <option key={type} value={type}>
              {eventText(type)}
            </option>
          ))}
        </select>
      </Field>
      <Field label="Outcome">
        <select {...field('outcome')}>
          <option value="">any</option>
          <option value="succeeded">succeeded</option>
          <option value="failed">failed</option>
          <option value="attempted">attempted</option>
        </select>
      </Field>
      <Field label="From">
        <input type="datetime-local" {...field('from')} />
      </Field>
      <Field label="To">
        <input type="datetime-local" {...field('to')} />
      </Field>
      <div class="row">
        <button type="submit" class="main">
          Filter
        </button>
        <a href={to('trail')}>Clear</a>
      </div>
    </form>
  );
}

/** The failures of a day by hour: newest first, as far as they were read. */
function countsOf(events: readonly AuditEvent[], now: number): number[] {
  const counts = new Array<number>(HOURS).fill(0);
  for (const { occurredAt } of events) {
    const hour = Math.floor((now - Date.parse(occurredAt)) / HOUR_MS);
    if (hour >= 0 && hour < HOURS) counts[HOURS - 1 - hour] = (counts[HOURS - 1 - hour] ?? 0) + 1;
  }
  return counts;
}

interface Rare {
  readonly counts: readonly number[];
  readonly total: number;
  readonly isWhole: boolean;
}

async function rareOf(signal: AbortSignal): Promise<Rare> {
  const now = Date.now();
  const from = new Date(now - HOURS * HOUR_MS).toISOString();
  const events: AuditEvent[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < RARE_PAGES; page++) {
    const { items, nextCursor }: Page<AuditEvent> = await get(
      withQuery('admin/audit-events', { outcome: 'failed', from, limit: '200', cursor }),
      signal,
    );
    events.push(...items);
    cursor = nextCursor;
    if (cursor === null) break;
  }
  return { counts: countsOf(events, now), total: events.length, isWhole: cursor === null };
}

const BAR = { width: 18, gap: 4, height: 72 };

function Histogram(): JSX.Element {
  const rare = useLoad(rareOf, []);
  return (
    <section>
      <h2>Failures of the last day</h2>
      <Show of={rare}>
        {({ counts, total, isWhole }) => {
          const most = Math.max(1, ...counts);
          const width = counts.length * (BAR.width + BAR.gap);
          return (
            <figure class="histogram">
              <svg
                viewBox={`0 0 ${String(width)} ${String(BAR.height)}`}
                preserveAspectRatio="none"
                role="img"
                aria-label={`${counted(total, 'failure')} in 24 hours, at most ${String(most)} in one hour`}
              >
                {counts.map((count, hour) => {
                  const height = count === 0 ? 1 : Math.max(3, (count / most) * BAR.height);
                  return (
                    <rect
                      key={hour}
                      class={count === 0 ? 'none' : ''}
                      x={hour * (BAR.width + BAR.gap)}
                      y={BAR.height - height}
                      width={BAR.width}
                      height={height}
                      rx="2"
                    >
                      <title>{`${counted(count, 'failure')}, ${String(HOURS - hour)} to ${String(HOURS - 1 - hour)} hours ago`}</title>
                    </rect>
                  );
                })}
              </svg>
              <figcaption class="muted">
                {isWhole ? counted(total, 'failure') : `The newest ${counted(total, 'failure')}`}, by hour. The right
                end is now.
              </figcaption>
            </figure>
          );
        }}
      </Show>
    </section>
  );
}

async function save(format: 'jsonl' | 'csv', filter: Filter): Promise<string> {
  const response = await answerOf('GET', withQuery('admin/audit-events/export', { ...timed(filter), format }));
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement('a');
  link.href = url;
  link.download = `audit-events.${format}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  return `audit-events.${format} is saved.`;
}

/** The newest events, asked for again and again. */
function Tail({ filter }: { readonly filter: Filter }): JSX.Element {
  const [events, setEvents] = useState<readonly AuditEvent[]>([]);
  const [error, setError] = useState<unknown>();
  const [askedAt, setAskedAt] = useState<string | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    let timer = 0;
    const poll = (): void => {
      get<Page<AuditEvent>>(withQuery('admin/audit-events', { ...timed(filter), limit: String(ROWS) }), abort.signal)
        .then(
          ({ items }) => {
            setError(undefined);
            setAskedAt(new Date().toISOString());
            setEvents((known) => {
              const ids = new Set(items.map(({ id }) => id));
              return [...items, ...known.filter(({ id }) => !ids.has(id))].slice(0, 10 * ROWS);
            });
          },
          (failure: unknown) => !abort.signal.aborted && setError(failure),
        )
        .finally(() => {
          if (!abort.signal.aborted) timer = window.setTimeout(poll, TAIL_MS);
        });
    };
    poll();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [JSON.stringify(filter)]);
  return (
    <>
      {error !== undefined && <Notice tone="bad">{wordsOf(error)} The console keeps asking.</Notice>}
      <p class="muted" role="status">
        {askedAt === null ? 'Loading…' : `As of ${clockText(askedAt)}`}
      </p>
      <EventTable events={events} />
    </>
  );
}

function Pages({ filter }: { readonly filter: Filter }): JSX.Element {
  const [cursors, setCursors] = useState<readonly string[]>([]);
  const cursor = cursors.at(-1) ?? null;
  const page = useLoad(
    (signal) =>
      get<Page<AuditEvent>>(withQuery('admin/audit-events', { ...timed(filter), cursor, limit: String(ROWS) }), signal),
    [JSON.stringify(filter), cursor],
  );
  return (
    <Show of={page}>
      {({ items, nextCursor }) => (
        <>
          <EventTable events={items} />
          <div class="row">
            {cursors.length > 0 && (
              <button type="button" class="quiet" onClick={() => setCursors(cursors.slice(0, -1))}>
                Newer
              </button>
            )}
            {nextCursor !== null && (
              <button type="button" class="quiet" onClick={() => setCursors([...cursors, nextCursor])}>
                Older
              </button>
            )}
          </div>
        </>
      )}
    </Show>
  );
}

export function TrailPage({ place }: { readonly place: Place }): JSX.Element {
  const filter = filterIn(place);
  const key = JSON.stringify(filter);
  const [isFollowing, setFollowing] = useState(false);
  return (
    <>
      <h1 tabIndex={-1}>Trail</h1>
      <Filters key={key} filter={filter} />
      <div class="row">
        <label class="check">
          <input
            type="checkbox"
            checked={isFollowing}
            onChange={({ currentTarget }) => setFollowing(currentTarget.checked)}
          />
          Follow
        </label>
        <Action label="Save as JSON lines" work={() => save('jsonl', filter)} />
        <Action label="Save as CSV" work={() => save('csv', filter)} />
      </div>
      {isFollowing ? <Tail key={key} filter={filter} /> : <Pages key={key} filter={filter} />}
      <Histogram />
    </>
  );
}
