import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { get } from '../api';
import type { Counts, Health, Overview } from '../answers';
import { Badge, Notice, wordsOf } from '../parts';
import { agoText, numberText, rateText, spanText, wordText } from '../texts';
import { to } from '../routing';

const POLL_MS = 2000;
/** Ten minutes. */
const KEPT = 300;
/** What the curve shows at least. */
const WINDOW_S = (KEPT * POLL_MS) / 1000 / 5;
const GRANTED = ['rotated', 'replayed_window', 'replayed_key', 'adopted'];

/** What happened in a second, between two answers of one process. */
interface Sample {
  readonly at: number;
  readonly granted: number;
  readonly refused: number;
  readonly logins: number;
}

const sum = (counts: Counts, of: (name: string) => boolean): number =>
  Object.entries(counts).reduce((total, [name, count]) => total + (of(name) ? count : 0), 0);
const all = (): boolean => true;
const isGranted = (name: string): boolean => GRANTED.includes(name);

function sampleOf(before: Overview, after: Overview): Sample | null {
  const seconds = (Date.parse(after.at) - Date.parse(before.at)) / 1000;
  // Behind a balancer another process may have answered, whose counts are its own.
  if (before.instance !== after.instance || seconds <= 0) return null;
  const rate = (of: (overview: Overview) => number): number => Math.max(0, of(after) - of(before)) / seconds;
  return {
    at: Date.parse(after.at) / 1000,
    granted: rate(({ refreshes }) => sum(refreshes, isGranted)),
    refused: rate(({ refreshes, limited }) => sum(refreshes, (name) => !isGranted(name)) + sum(limited, all)),
    logins: rate(({ logins }) => logins.succeeded ?? 0),
  };
}

interface Seen {
  /** The last answer of each process. */
  readonly latest: ReadonlyMap<string, Overview>;
  readonly overview: Overview | null;
  readonly samples: readonly Sample[];
  readonly error: unknown;
}

function useOverview(): Seen {
  const [seen, setSeen] = useState<Seen>({ latest: new Map(), overview: null, samples: [], error: undefined });
  useEffect(() => {
    let timer = 0;
    const abort = new AbortController();
    const poll = (): void => {
      get<Overview>('admin/overview', abort.signal)
        .then(
          (overview) =>
            setSeen(({ latest, samples }) => {
              const before = latest.get(overview.instance);
              const sample = before === undefined ? null : sampleOf(before, overview);
              return {
                latest: new Map(latest).set(overview.instance, overview),
                overview,
                samples: sample === null ? samples : [...samples, sample].slice(-KEPT),
                error: undefined,
              };
            }),
          (error: unknown) => !abort.signal.aborted && setSeen((now) => ({ ...now, error })),
        )
        .finally(() => {
          if (!abort.signal.aborted) timer = window.setTimeout(poll, POLL_MS);
        });
    };
    poll();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, []);
  return seen;
}

function useHealth(): Health | null {
  const [health, setHealth] = useState<Health | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    const ask = (): void => {
      get<Health>('health/ready', signal).then(setHealth, () => !signal.aborted && setHealth({ status: 'not ready' }));
    };
    ask();
    const timer = setInterval(ask, 5 * POLL_MS);
    return () => {
      abort.abort();
      clearInterval(timer);
    };
  }, []);
  return health;
}

const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function Curve({ samples }: { readonly samples: readonly Sample[] }): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>();
  const [theme, setTheme] = useState(0);
  useEffect(() => {
    const media = matchMedia('(prefers-color-scheme: dark)');
    const follow = (): void => setTheme((last) => last + 1);
    media.addEventListener('change', follow);
    return () => media.removeEventListener('change', follow);
  }, []);
  useEffect(() => {
    const within = place.current;
    if (within === null) return;
    const axis = {
      stroke: colour('--muted'),
      grid: { stroke: colour('--line'), width: 1 },
      ticks: { stroke: colour('--line'), width: 1 },
      font: '12px system-ui, sans-serif',
    };
    const line = (label: string, name: string) => ({ label, stroke: colour(name), width: 2, points: { show: false } });
    const sizeOf = () => ({ width: within.clientWidth, height: 240 });
    const made = new uPlot(
      {
        ...sizeOf(),
        cursor: { drag: { x: false, y: false } },
        legend: { show: false },
        scales: {
          x: {
            range: ({ data: [times] }, first, last) => {
              const end = times.length === 0 ? Date.now() / 1000 : last;
              return [times.length === 0 ? end - WINDOW_S : Math.min(first, end - WINDOW_S), end];
            },
          },
          y: { range: (_, __, most) => [0, Math.max(1, most * 1.15)] },
        },
        axes: [axis, { ...axis, size: 44 }],
        series: [{}, line('Refreshes', '--accent'), line('Log-ins', '--good'), line('Refusals', '--bad')],
      },
      [[], [], [], []],
      within,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize(sizeOf()));
    observer.observe(within);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [theme]);
  useEffect(() => {
    plot.current?.setData([
      samples.map(({ at }) => at),
      samples.map(({ granted }) => granted),
      samples.map(({ logins }) => logins),
      samples.map(({ refused }) => refused),
    ]);
  }, [samples, theme]);
  const last = samples.at(-1);
  return (
    <figure class="curve">
      <figcaption>
        <span class="key accent">{rateText(last?.granted ?? 0)} refreshes</span>
        <span class="key good">{rateText(last?.logins ?? 0)} log-ins</span>
        <span class="key bad">{rateText(last?.refused ?? 0)} refusals</span>
        <span class="muted">a second, in this process</span>
      </figcaption>
      <div class="plot" ref={place} aria-hidden="true" />
    </figure>
  );
}

function Tile({ label, value, hint, bad = false }: { label: string; value: string; hint?: string; bad?: boolean }) {
  return (
    <div class={bad ? 'tile bad' : 'tile'}>
      <dt>{label}</dt>
      <dd>
        {value}
        {hint !== undefined && <span class="hint">{hint}</span>}
      </dd>
    </div>
  );
}

function CountTable({ title, counts }: { readonly title: string; readonly counts: Counts }): JSX.Element | null {
  const rows = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .sort(([, one], [, other]) => other - one);
  if (rows.length === 0) return null;
  return (
    <section>
      <h2>{title}</h2>
      <table class="counts">
        <tbody>
          {rows.map(([name, count]) => (
            <tr key={name}>
              <th scope="row">{wordText(name)}</th>
              <td>{numberText(count)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

export function NowPage(): JSX.Element {
  const { overview, samples, error, latest } = useOverview();
  const health = useHealth();
  const thefts = overview === null ? 0 : sum(overview.theftAlerts, all);
  const isQuiet = overview !== null && sum(overview.refreshes, isGranted) === 0;
  return (
    <>
      <h1 tabIndex={-1}>Now</h1>
      {error !== undefined && <Notice tone="bad">{wordsOf(error)} The console keeps asking.</Notice>}
      {thefts > 0 && (
        <Notice tone="bad">
          <p>
            {numberText(thefts)} {thefts === 1 ? 'token was' : 'tokens were'} stolen or forged since this process
            started.
          </p>
          <a href={`${to('trail')}?type=auth.token.reuse_detected.v1`}>Show the thefts</a>
        </Notice>
      )}
      {isQuiet && (
        <Notice tone="plain">
          <p>
            Nobody has refreshed yet. On a development instance, run <code>npx ratchet drill</code>: it plays a lost
            answer, two tabs, a theft and a cut-off, and prints where to look. Then find the session of its user under{' '}
            <a href={to('users')}>Users</a>.
          </p>
        </Notice>
      )}
      {overview === null ? (
        error === undefined && <p role="status">Loading…</p>
      ) : (
        <>
          <Curve samples={samples} />
          <dl class="tiles">
            <Tile label="Theft alerts" value={numberText(thefts)} bad={thefts > 0} />
            <Tile
              label="Live sessions"
              value={overview.activeSessions === null ? '–' : numberText(overview.activeSessions)}
            />
            <Tile
              label="View of revocations"
              value={overview.stalenessSeconds < 0 ? 'not read yet' : `${rateText(overview.stalenessSeconds)} s old`}
              bad={overview.stalenessSeconds < 0 || overview.stalenessSeconds > 5}
            />
            <Tile label="Passwords waiting" value={numberText(overview.hashQueue)} bad={overview.hashQueue > 20} />
            <Tile label="Events waiting" value={numberText(overview.auditQueue)} bad={overview.auditQueue > 1000} />
            <Tile
              label="Database pool"
              value={`${numberText(overview.pool.busy)} busy`}
              hint={`${numberText(overview.pool.idle)} idle, ${numberText(overview.pool.waiting)} waiting`}
              bad={overview.pool.waiting > 0}
            />
          </dl>
          <section>
            <h2>Health</h2>
            <p class="row">
              {health === null
                ? 'Asking…'
                : Object.entries(health.details ?? { instance: { status: health.status } }).map(
                    ([name, { status }]) => (
                      <Badge key={name} tone={status === 'up' ? 'good' : 'bad'}>
                        {name} {status}
                      </Badge>
                    ),
                  )}
            </p>
            <ul class="plain">
              {[...latest.values()].map(({ instance, startedAt, at }) => (
                <li key={instance}>
                  Process <code>{instance.slice(0, 8)}</code>, up for{' '}
                  {spanText((Date.parse(at) - Date.parse(startedAt)) / 1000)}, answered {agoText(at, Date.now())}
                </li>
              ))}
            </ul>
          </section>
          <div class="columns">
            <CountTable title="Refreshes by outcome" counts={overview.refreshes} />
            <CountTable title="Log-ins by outcome" counts={overview.logins} />
            <CountTable title="Refused by a limit" counts={overview.limited} />
          </div>
        </>
      )}
    </>
  );
}
