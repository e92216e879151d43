import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { call, get, withQuery } from '../api';
import type { AuditEvent, Page } from '../answers';
import { Action, Badge, Empty, Notice, Said, wordsOf } from '../parts';
import { Picture } from '../picture/picture';
import { folded, type Item, storyOf, type Theft } from '../picture/story';
import { sentenceOf, whenOf } from '../picture/words';
import { to } from '../routing';
import { counted, numberText, timeText, wordText } from '../texts';

const PAGE = 1000;
/** A session of more events is drawn as far as this, and says so. */
const MOST_PAGES = 40;
const TWIN_ROW = 6;
/** Sentences that are shown at a time. */
const TWIN_PAGE = 200;

interface History {
  readonly events: readonly AuditEvent[];
  readonly isWhole: boolean;
  readonly error: unknown;
}

/** Reads a history page by page; what has arrived is drawn meanwhile. */
function useHistory(id: string, turn: number): History {
  const [history, setHistory] = useState<History>({ events: [], isWhole: false, error: undefined });
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    const read = async (): Promise<void> => {
      let events: readonly AuditEvent[] = [];
      let cursor: string | null = null;
      for (let page = 0; page < MOST_PAGES; page++) {
        const { items, nextCursor }: Page<AuditEvent> = await get(
          withQuery(`admin/sessions/${encodeURIComponent(id)}/history`, { cursor, limit: String(PAGE) }),
          signal,
        );
        events = [...events, ...items];
        cursor = nextCursor;
        if (signal.aborted) return;
        setHistory({ events, isWhole: cursor === null, error: undefined });
        if (cursor === null) return;
      }
    };
    read().catch((error: unknown) => !signal.aborted && setHistory((now) => ({ ...now, error })));
    return () => abort.abort();
  }, [id, turn]);
  return history;
}

function Facts({ items, events }: { readonly items: readonly Item[]; readonly events: readonly AuditEvent[] }) {
  const start = items.find((item) => item.kind === 'start');
  const end = items.find((item) => item.kind === 'end');
  const beads = items.filter((item) => item.kind === 'bead');
  const replays = beads.reduce((sum, bead) => sum + bead.replays.length, 0);
  const thefts = items.filter((item): item is Theft => item.kind === 'theft');
  const userId = events.find((event) => event.userId !== null)?.userId ?? null;
  return (
    <>
      {thefts.map(({ id, at, presentedBy, rotatedBy }) => (
        <Notice key={id} tone="bad">
          <p>
            <strong>Two parties have had the same token.</strong> It was presented at {timeText(at)} from{' '}
            <Said text={presentedBy.address ?? 'an unknown address'} /> (<Said text={presentedBy.agent} />)
            {rotatedBy !== null && (
              <>
                , after <Said text={rotatedBy.address ?? 'an unknown address'} /> (<Said text={rotatedBy.agent} />) had
                exchanged it
              </>
            )}
            . Which of them is the thief, Ratchet cannot know: ask the user.
          </p>
        </Notice>
      ))}
      <p class="row">
        {end === undefined ? (
          <Badge tone="good">not ended</Badge>
        ) : (
          <Badge tone="bad">ended: {wordText(end.reason)}</Badge>
        )}
        {start !== undefined && <span>opened {timeText(start.at)}</span>}
        <span>{beads.length === 1 ? '1 refresh' : `${String(beads.length)} refreshes`}</span>
        {replays > 0 && <span>{counted(replays, 'repeated answer')}</span>}
        {userId !== null && <a href={to('users', userId)}>its user</a>}
      </p>
    </>
  );
}

/** The picture in words, from the beginning. */
function Twin({ items }: { readonly items: readonly Item[] }): JSX.Element {
  const [most, setMost] = useState(TWIN_PAGE);
  const twin = useMemo(() => folded(items, TWIN_ROW, () => false), [items]);
  return (
    <section>
      <h2>In words</h2>
      <ol class="twin">
        {twin.slice(0, most).map((item) => (
          <li key={item.id} class={item.kind}>
            <time dateTime={item.at}>{whenOf(item)}</time> {sentenceOf(item)}
          </li>
        ))}
      </ol>
      {twin.length > most && (
        <div class="row">
          <button type="button" class="quiet" onClick={() => setMost(most + TWIN_PAGE)}>
            Show the next ones
          </button>
          <button type="button" class="quiet" onClick={() => setMost(twin.length)}>
            Show all {numberText(twin.length)}
          </button>
        </div>
      )}
    </section>
  );
}

export function SessionPage({ id }: { readonly id: string }): JSX.Element {
  const [turn, setTurn] = useState(0);
  const again = (): void => setTurn((last) => last + 1);
  const { events, isWhole, error } = useHistory(id, turn);
  const [chosen, setChosen] = useState<Item | null>(null);
  const items = useMemo(() => storyOf(id, events), [id, events]);
  const hasEnded = items.some((item) => item.kind === 'end');
  return (
    <>
      <p class="way">
        <a href={to('users')}>Users</a>
      </p>
      <h1 tabIndex={-1}>A session</h1>
      <p class="muted">
        <code>
          <Said text={id} />
        </code>
      </p>
      {error !== undefined && (
        <Notice tone="bad">
          <p>{wordsOf(error)}</p>
          <button type="button" class="quiet" onClick={again}>
            Try again
          </button>
        </Notice>
      )}
      {items.length === 0 ? (
        isWhole ? (
          <Empty>
            <p>Nothing is recorded for this session.</p>
          </Empty>
        ) : (
          error === undefined && <p role="status">Loading…</p>
        )
      ) : (
        <>
          <Facts items={items} events={events} />
          <Picture items={items} chosen={chosen?.id ?? null} choose={setChosen} />
          <p class="chosen-item" role="status">
            {chosen === null ? (
              <span class="muted">Choose a bead to read what happened there.</span>
            ) : (
              <>
                <strong>{whenOf(chosen)}</strong> {sentenceOf(chosen)}{' '}
                {chosen.attemptId !== null && (
                  <a href={withQuery(to('trail'), { attemptId: chosen.attemptId })}>Its events in the trail</a>
                )}
              </>
            )}
          </p>
          {!isWhole && <p class="muted">{counted(events.length, 'event')} so far; the session may have others.</p>}
          <div class="row">
            {!hasEnded && (
              <Action
                tone="danger"
                label="End this session"
                ask="End it?"
                work={async () => {
                  await call('DELETE', `admin/sessions/${encodeURIComponent(id)}`);
                  return 'The session has ended.';
                }}
                done={again}
              />
            )}
            <button type="button" class="quiet" onClick={again}>
              Read again
            </button>
            <a href={withQuery(to('trail'), { sessionId: id })}>Its events in the trail</a>
          </div>
          <Twin items={items} />
        </>
      )}
    </>
  );
}
