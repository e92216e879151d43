import { createSession, Unavailable } from '../src/browser/index.mjs';
import type { Me } from './answers';
import { Store } from './store';

/** Where the routes of auth begin: beside the path at which this page is mounted. */
const routes = new URL(document.querySelector<HTMLMetaElement>('meta[name=routes]')?.content ?? '../', document.baseURI)
  .href;

const urlOf = (path: string): string => new URL(path, routes).href;

/** The console is a client like any other: the refresh token is in a cookie, and tabs refresh by one rule. */
export const session = createSession({ refreshUrl: urlOf('auth/refresh'), delivery: 'cookie' });

/** `looking`: a session is in the store, and whose it is has not been asked yet. */
export type Visitor =
  | { readonly kind: 'looking' }
  | { readonly kind: 'out'; readonly why: string | null }
  | { readonly kind: 'in'; readonly me: Me };

export const visitor = new Store<Visitor>({ kind: 'looking' });

const ENDED = 'Your session has ended: it expired, somebody ended it, or your role has changed.';
const NO_ROLE = 'This account does not have the role admin.';
const ROLE_LOST = 'Your account does not have the role admin any more.';

/** An answer that is no success. */
export class Problem extends Error {
  override name = 'Problem';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly recovery: string | null,
    readonly retryAfter: number,
  ) {
    super(message);
  }
}

/** No answer has arrived. */
class Offline extends Error {
  override name = 'Offline';

  constructor() {
    super('The server cannot be reached.');
  }
}

/** Somebody has closed the question for the password. Nothing has changed. */
class Cancelled extends Error {
  override name = 'Cancelled';

  constructor() {
    super('Nothing has changed: the password was not confirmed.');
  }
}

interface ProblemBody {
  readonly title?: string;
  readonly code?: string;
  readonly recovery?: string;
  readonly errors?: readonly { readonly message: string }[];
}

async function problemOf(response: Response): Promise<Problem> {
  const body = (await response.json().catch(() => ({}))) as ProblemBody;
  const rules = (body.errors ?? []).map(({ message }) => message).join('; ');
  const words = rules || CODES[body.code ?? ''] || wordsOf(response.status, body.title);
  const retryAfter = Number(response.headers.get('Retry-After')) || 0;
  return new Problem(response.status, body.code ?? '', words, body.recovery ?? null, retryAfter);
}

/** What the routes refuse for a reason of its own. */
const CODES: Readonly<Record<string, string>> = {
  acting_for_oneself: 'Nobody acts for themselves: this is your own account.',
  last_admin: 'No active administrator would be left.',
  user_inactive: 'The user is deactivated.',
  user_not_found: 'There is no such user.',
  version_mismatch: 'Somebody has cut off in the meantime. Nothing has changed: look again.',
};

function wordsOf(status: number, title = ''): string {
  if (status === 404) return 'Not found.';
  if (status === 429) return 'Too many requests: wait a moment.';
  if (status === 503) return 'The server is busy, or its database is down. Nothing has changed.';
  return title === '' ? `The server has answered ${String(status)}.` : `${title}.`;
}

async function send(path: string, init: RequestInit): Promise<Response> {
  try {
    return await session.fetch(urlOf(path), init);
  } catch (error) {
    if (error instanceof TypeError || error instanceof Unavailable) throw new Offline();
    throw error;
  }
}

/** The question for the password that is open; null if none is. */
export const question = new Store<{ readonly answer: (proved: boolean) => void } | null>(null);

let asked: Promise<boolean> | null = null;

/** One question for all changes that wait for it: a second one would leave the first without an answer. */
const stepUp = (): Promise<boolean> =>
  (asked ??= new Promise<boolean>((resolve) => {
    question.set({
      answer(proved) {
        asked = null;
        question.set(null);
        resolve(proved);
      },
    });
  }));

/** A question is for the one who was asked: it must not wait for the next person who signs in, and their password. */
visitor.listen(() => {
  if (visitor.value.kind !== 'in') question.value?.answer(false);
});

/** The answer of a route, whatever its media type. Asks for the password where the route requires a recent proof. */
export async function answerOf(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  for (let proved = false; ; proved = true) {
    const response = await send(path, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
      ...(signal !== undefined && { signal }),
    });
    if (response.ok) return response;
    const problem = await problemOf(response);
    if (problem.recovery === 'step_up' && !proved) {
      if (await stepUp()) continue;
      throw new Cancelled();
    }
    if (problem.status === 403 && problem.code === 'insufficient_scope') leave(ROLE_LOST);
    // Of several requests, the first says why.
    if (problem.status === 401 && problem.recovery !== 'step_up' && visitor.value.kind !== 'out') leave(ENDED);
    throw problem;
  }
}

export async function call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const response = await answerOf(method, path, body, signal);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

export const get = <T>(path: string, signal?: AbortSignal): Promise<T> => call<T>('GET', path, undefined, signal);

/** A path with the parameters that have a value. */
export function withQuery(path: string, parameters: Readonly<Record<string, string | null | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value) query.set(name, value);
  return query.size === 0 ? path : `${path}?${query.toString()}`;
}

/** Ends the stay: the session, too, since it is of no use here. */
function leave(why: string): void {
  visitor.set({ kind: 'out', why });
  session.end().catch(() => undefined);
}

export async function signIn(email: string, password: string): Promise<void> {
  const body = JSON.stringify({ email, password, delivery: 'cookie', deviceName: 'Ratchet console' });
  const headers = { 'Content-Type': 'application/json' };
  const response = await fetch(urlOf('auth/login'), { method: 'POST', headers, body, credentials: 'include' }).catch(
    () => {
      throw new Offline();
    },
  );
  if (!response.ok) {
    const problem = await problemOf(response);
    throw problem.status === 401 ? new Error('The e-mail or the password is wrong.') : problem;
  }
  await session.start((await response.json()) as Parameters<typeof session.start>[0]);
  await look();
}

export async function signOut(): Promise<void> {
  await session.end();
  visitor.set({ kind: 'out', why: null });
}

/** Finds out who is there. */
export async function look(): Promise<void> {
  if (session.current === null) {
    if (visitor.value.kind !== 'out') visitor.set({ kind: 'out', why: null });
    return;
  }
  const me = await get<Me>('auth/me');
  if (me.roles.includes('admin')) visitor.set({ kind: 'in', me });
  else leave(NO_ROLE);
}

session.onChange((current) => {
  if (current === null && visitor.value.kind === 'in') visitor.set({ kind: 'out', why: ENDED });
});
