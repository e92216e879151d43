import type { ComponentChildren, JSX } from 'preact';
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { Problem } from './api';
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

export function SaidLast(): JSX.Element {
  const last = useStore(said);
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
    said.set({ tone: 'good', text: await work() });
    return true;
  } catch (error) {
    said.set({ tone: 'bad', text: wordsOf(error) });
    return false;
  }
}

interface ActionProps {
  readonly label: string;
  /** What is about to happen: a second press is required. */
  readonly ask?: string;
  readonly tone?: 'danger' | 'quiet' | 'main';
  readonly describes?: string;
  readonly work: () => Promise<string>;
  readonly done?: () => void;
}

export function Action({ label, ask, tone = 'quiet', describes, work, done }: ActionProps): JSX.Element {
  const [isAsking, setAsking] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const run = (): void => {
    setAsking(false);
    setBusy(true);
    void act(work).then((worked) => {
      setBusy(false);
      if (worked) done?.();
    });
  };
  if (isAsking) {
    return (
      <span class="asking">
        <span>{ask}</span>
        <button type="button" class="danger" ref={(button) => button?.focus()} onClick={run}>
          Yes
        </button>
        <button type="button" class="quiet" onClick={() => setAsking(false)}>
          No
        </button>
      </span>
    );
  }
  return (
    <button
      type="button"
      class={tone}
      disabled={isBusy}
      aria-label={describes}
      onClick={() => (ask === undefined ? run() : setAsking(true))}
    >
      {isBusy ? `${label}…` : label}
    </button>
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
