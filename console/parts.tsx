import type { ComponentChildren, JSX } from 'preact';
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { Problem, visitor } from './api';
import { Store, useStore } from './store';
import { agentText, agoText, piecesOf, timeText } from './texts';

/** A text from outside, as text: what would be invisible, or turn the text after it, is written by its code point. */
export function Said({ text }: { readonly text: string }): JSX.Element {
  return (
    <bdi class="said">
      {piecesOf(text).map((piece) =>
        piece.isHidden ? <span class="hidden-character">{piece.text}</span> : piece.text,
      )}
    </bdi>
  );
}

export function Time({ at }: { readonly at: string }): JSX.Element {
  return (
    <time dateTime={at} title={timeText(at)}>
      {agoText(at)}
    </time>
  );
}

export function Agent({ text }: { readonly text: string }): JSX.Element {
  return (
    <span title={agentText(text) === text ? undefined : text}>
      <Said text={agentText(text)} />
    </span>
  );
}

export type Tone = 'good' | 'bad' | 'plain';

export function Badge({ tone = 'plain', children }: { readonly tone?: Tone; readonly children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>;
}

export const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export function Notice({ tone, children }: { readonly tone: Tone; readonly children: ComponentChildren }) {
  return (
    <div class={`notice ${tone}`} role={tone === 'bad' ? 'alert' : 'note'}>
      {children}
    </div>
  );
}

/** What the last action did. */
const said = new Store<{ readonly tone: Tone; readonly text: string } | null>(null);

// It was said to the one who acted.
visitor.listen(() => {
  if (visitor.value.kind === 'out') said.set(null);
});

export function SaidLast(): JSX.Element {
  const last = useStore(said);
  useEffect(() => document.activeElement?.scrollIntoView({ block: 'nearest' }), [last]);
  return (
    <div class="said-last" role="status" aria-live="polite">
      {last !== null && (
        <p class={last.tone}>
          {last.text}
          <button type="button" class="quiet" aria-label="Dismiss" onClick={() => said.set(null)}>
            ×
          </button>
        </p>
      )}
    </div>
  );
}

/** Runs an action and says what it did, or why it did nothing. */
export async function act(work: () => Promise<string>): Promise<boolean> {
  try {
    say({ tone: 'good', text: await work() });
    return true;
  } catch (error) {
    say({ tone: 'bad', text: wordsOf(error) });
    return false;
  }
}

function say(what: { readonly tone: Tone; readonly text: string }): void {
  if (visitor.value.kind === 'in') said.set(what);
}

interface ActionProps {
  readonly label: string;
  /** What is about to happen: a second press is required. */
  readonly ask?: string;
  readonly tone?: 'danger' | 'quiet' | 'main';
  readonly describes?: string;
  /** Whether it has the focus from the beginning. */
  readonly isFirst?: boolean;
  readonly work: () => Promise<string>;
  readonly done?: () => void;
}

export function Action({
  label,
  ask,
  tone = 'quiet',
  describes,
  isFirst = false,
  work,
  done,
}: ActionProps): JSX.Element {
  const [isAsking, setAsking] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const returns = useRef(isFirst);
  // The button is another one after a question, and has the focus again.
  const place = useCallback((button: HTMLButtonElement | null) => {
    if (button !== null && returns.current) button.focus();
    returns.current = false;
  }, []);
  // The button of another action by now.
  useEffect(() => setAsking(false), [label]);
  const answer = (): void => {
    returns.current = true;
    setAsking(false);
  };
  const run = (): void => {
    setBusy(true);
    void act(work).then((worked) => {
      setBusy(false);
      if (worked) done?.();
    });
  };
  if (isAsking) {
    return (
      <span class="asking" onKeyDown={({ key }) => key === 'Escape' && answer()}>
        <span>{ask}</span>
        <button
          type="button"
          class="danger"
          ref={focused}
          onClick={() => {
            answer();
            run();
          }}
        >
          Yes
        </button>
        <button type="button" class="quiet" onClick={answer}>
          No
        </button>
      </span>
    );
  }
  return (
    <button
      type="button"
      class={tone}
      ref={place}
      aria-disabled={isBusy}
      aria-label={describes}
      onClick={() => {
        if (isBusy) return;
        if (ask === undefined) run();
        else setAsking(true);
      }}
    >
      {isBusy ? `${label}…` : label}
    </button>
  );
}

/** For what has the focus from the beginning. */
export const focused = (element: HTMLElement | null): void => element?.focus();

interface PagerProps {
  /** Of the pages before this one. */
  readonly cursors: readonly string[];
  /** Undefined while it is not known. */
  readonly next: string | null | undefined;
  readonly go: (cursors: readonly string[]) => void;
  readonly words: readonly [back: string, on: string];
}

/**
 * Its buttons stay while a page is loaded, so that the one that was pressed keeps the focus. It belongs above the page: below
 * it, they would be out of sight as soon as the page is longer or shorter.
 */
export function Pager({ cursors, next, go, words: [back, on] }: PagerProps): JSX.Element | null {
  const isPaged = useRef(false);
  isPaged.current ||= cursors.length > 0 || typeof next === 'string';
  if (!isPaged.current) return null;
  const hasNext = typeof next === 'string';
  return (
    <>
      <button
        type="button"
        class="quiet"
        aria-disabled={cursors.length === 0}
        onClick={() => cursors.length > 0 && go(cursors.slice(0, -1))}
      >
        {back}
      </button>
      <button type="button" class="quiet" aria-disabled={!hasNext} onClick={() => hasNext && go([...cursors, next])}>
        {on}
      </button>
    </>
  );
}

const SLOW_MS = 4000;

export interface Loaded<T> {
  readonly data: T | undefined;
  readonly error: unknown;
  readonly isSlow: boolean;
  readonly reload: () => void;
}

/** Loads what the keys name, again when they change. What was loaded stays while it is loaded again. */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, keys: readonly unknown[]): Loaded<T> {
  const [state, setState] = useState<{ data?: T; error?: unknown; isSlow: boolean }>({ isSlow: false });
  const [turn, setTurn] = useState(0);
  const known = useRef(JSON.stringify(keys));
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    const key = JSON.stringify(keys);
    if (known.current !== key) setState({ isSlow: false });
    known.current = key;
    const timer = setTimeout(() => setState((now) => ({ ...now, isSlow: true })), SLOW_MS);
    load(signal)
      .then(
        (data) => !signal.aborted && setState({ data, isSlow: false }),
        (error: unknown) => !signal.aborted && setState((now) => ({ ...now, error, isSlow: false })),
      )
      .finally(() => clearTimeout(timer));
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [...keys, turn]);
  const reload = useCallback(() => {
    setState(({ data }) => ({ ...(data !== undefined && { data }), isSlow: false }));
    setTurn((last) => last + 1);
  }, []);
  return { data: state.data, error: state.error, isSlow: state.isSlow, reload };
}

interface ShowProps<T> {
  readonly of: Loaded<T>;
  readonly children: (data: T) => ComponentChildren;
}

/** What was loaded; until then that it is awaited, and if it fails, why, and a way on. */
export function Show<T>({ of: { data, error, isSlow, reload }, children }: ShowProps<T>): JSX.Element {
  return (
    <>
      {error !== undefined && (
        <Notice tone="bad">
          <p>{wordsOf(error)}</p>
          <button type="button" class="quiet" onClick={reload}>
            Try again
          </button>
        </Notice>
      )}
      {data === undefined && error === undefined && (
        <div class="loading" role="status">
          {isSlow ? (
            <>
              <p>The answer takes longer than usual.</p>
              <button type="button" class="quiet" onClick={reload}>
                Ask again
              </button>
            </>
          ) : (
            <p>Loading…</p>
          )}
        </div>
      )}
      {data !== undefined && children(data)}
    </>
  );
}

export function Empty({ children }: { readonly children: ComponentChildren }): JSX.Element {
  return <div class="empty">{children}</div>;
}

interface FieldProps {
  readonly label: string;
  readonly hint?: string;
  readonly children: ComponentChildren;
}

export function Field({ label, hint, children }: FieldProps): JSX.Element {
  return (
    <label class="field">
      <span class="label">{label}</span>
      {children}
      {hint !== undefined && <span class="hint">{hint}</span>}
    </label>
  );
}

interface DialogProps {
  readonly title: string;
  readonly close: () => void;
  readonly children: ComponentChildren;
}

export function Dialog({ title, close, children }: DialogProps): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const shown = dialog.current;
    if (shown !== null && !shown.open) shown.showModal();
    // Before it goes, so that what had the focus has it again.
    return () => shown?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
    >
      <h2>{title}</h2>
      {children}
    </dialog>
  );
}

/** Of a route that this application does not have. */
export const isMissing = (error: unknown): boolean => error instanceof Problem && error.status === 404;
