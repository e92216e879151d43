import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { answerOf, get, withQuery } from '../api';
import type { AuditEvent, Page, RareEvents } from '../answers';
import { Action, Badge, Field, Notice, Pager, Said, Show, useLoad, wordsOf } from '../parts';
import { type Place, to } from '../routing';
import { clockText, counted, eventText, numberText } from '../texts';
import { EventTable } from './events';

const FILTERS = ['userId', 'sessionId', 'attemptId', 'type', 'outcome', 'from', 'to'] as const;
type Filter = Readonly<Record<(typeof FILTERS)[number], string>>;

/** The types of events that this version knows, which the build writes here. */
declare const EVENT_TYPES: readonly string[];
const ROWS = 50;
const TAIL_MS = 2000;
const HOURS = 24;

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
  // Not another form: the button that was pressed keeps the focus.
  useEffect(() => setGiven(filter), [JSON.stringify(filter)]);
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

const BAR = { width: 18, gap: 4, height: 72 };

const sumOf = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);

/** By hour, of the types that `wanted` picks. */
const byHour = ({ types }: RareEvents, wanted: (outcome: string) => boolean): readonly number[] =>
  Array.from({ length: HOURS }, (_, hour) =>
    sumOf(types.filter(({ outcome }) => wanted(outcome)).map(({ counts }) => counts[hour] ?? 0)),
  );

function Bars({ rare }: { readonly rare: RareEvents }): JSX.Element {
  const all = byHour(rare, () => true);
  const failed = byHour(rare, (outcome) => outcome === 'failed');
  const most = Math.max(1, ...all);
  const heightOf = (count: number) => (count === 0 ? 0 : Math.max(3, (count / most) * BAR.height));
  return (
    <figure class="histogram">
      <svg
        viewBox={`0 0 ${String(HOURS * (BAR.width + BAR.gap))} ${String(BAR.height)}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${counted(sumOf(all), 'event')} in 24 hours, ${numberText(sumOf(failed))} of them failures, at most ${numberText(most)} in one hour`}
      >
        {all.map((count, hour) => {
          const failures = failed[hour] ?? 0;
          const words = `${counted(count, 'event')}, ${counted(failures, 'failure')}, ${String(HOURS - hour)} to ${String(HOURS - 1 - hour)} hours ago`;
          const bar = (name: string, height: number) => (
            <rect
              class={name}
              x={hour * (BAR.width + BAR.gap)}
              y={BAR.height - height}
              width={BAR.width}
              height={height}
              rx="2"
            />
          );
          return (
            <g key={hour}>
              <title>{words}</title>
              {bar(count === 0 ? 'none' : 'all', Math.max(1, heightOf(count)))}
              {bar('failed', heightOf(failures))}
            </g>
          );
        })}
      </svg>
      <figcaption class="muted">By hour; failures are red. The right end is now.</figcaption>
    </figure>
  );
}

/** What is rare: the log is mostly refreshes that were granted. */
function Histogram(): JSX.Element {
  const rare = useLoad((signal) => get<RareEvents>(`admin/audit-events/histogram?hours=${String(HOURS)}`, signal), []);
  return (
    <section>
      <h2>The last day, without refreshes that were granted</h2>
      <Show of={rare}>
        {(data) => (
          <>
            <Bars rare={data} />
            <table class="list rare">
              <thead>
                <tr>
                  <th scope="col">Event</th>
                  <th scope="col">Outcome</th>
                  <th scope="col">Number</th>
                </tr>
              </thead>
              <tbody>
                {data.types
                  .map((one) => ({ ...one, total: sumOf(one.counts) }))
                  .sort((one, other) => other.total - one.total)
                  .map(({ type, outcome, total, isWhole }) => (
                    <tr key={type}>
                      <td>
                        <a href={withQuery(to('trail'), { type })}>
                          <Said text={eventText(type)} />
                        </a>
                      </td>
                      <td data-label="Outcome">
                        <Badge tone={outcome === 'failed' ? 'bad' : 'plain'}>{outcome}</Badge>
                      </td>
                      <td data-label="Number">
                        {numberText(total)}
                        {!isWhole && ' or more'}
                      </td>
                    </tr>
                  ))}
              </tbody>
            </table>
          </>
        )}
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
    <>
      <div class="row">
        <Pager cursors={cursors} next={page.data?.nextCursor} go={setCursors} words={['Newer', 'Older']} />
      </div>
      <Show of={page}>{({ items }) => <EventTable events={items} />}</Show>
    </>
  );
}

export function TrailPage({ place }: { readonly place: Place }): JSX.Element {
  const filter = filterIn(place);
  const key = JSON.stringify(filter);
  const [isFollowing, setFollowing] = useState(false);
  return (
    <>
      <h1 tabIndex={-1}>Trail</h1>
      <Filters filter={filter} />
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
