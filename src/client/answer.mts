import { type Fetch, type SessionOptions, type TokenPair, Unavailable } from './session.mjs';

type Delivery = SessionOptions['delivery'];

interface Wire {
  readonly fetch: Fetch;
  readonly delivery: Delivery;
}

/** What is sent to the routes of auth. */
interface Credentials {
  readonly refreshToken?: string;
  /** The `Idempotency-Key`. */
  readonly key?: string;
  readonly password?: string | undefined;
}

export interface Answer {
  readonly ok: boolean;
  /** 0 if the answer did not arrive completely. */
  readonly status: number;
  readonly body: Partial<TokenPair> & { readonly code?: string; readonly recovery?: string };
  /** In seconds; 0 without one. */
  readonly retryAfter: number;
}

const REQUEST_MS = 10_000;

/** Never rejects: an answer that is lost has the status 0. */
export async function post(
  { fetch, delivery }: Wire,
  url: string,
  { refreshToken, key, password }: Credentials,
): Promise<Answer> {
  // Not AbortSignal.timeout(), which React Native does not have.
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), REQUEST_MS);
  try {
    const response = await fetch(url, {
      method: 'POST',
      // Without cookies where the token is in the body: the server would not look at them.
      credentials: delivery === 'cookie' ? 'include' : 'omit',
      headers: { 'Content-Type': 'application/json', ...(key && { 'Idempotency-Key': key }) },
      body: JSON.stringify({ refreshToken, password }),
      signal: abort.signal,
    });
    const text = await response.text();
    const json = response.headers.get('Content-Type')?.includes('json');
    return {
      ok: response.ok,
      status: response.status,
      body: json ? (JSON.parse(text) as Answer['body']) : {},
      retryAfter: Number(response.headers.get('Retry-After')) || 0,
    };
  } catch {
    return { ok: false, status: 0, body: {}, retryAfter: 0 };
  } finally {
    clearTimeout(timer);
  }
}

export const isRefused = ({ body }: Answer): boolean => body.recovery === 'reauthenticate';

/** With cookie delivery, the answer to a request without a cookie: it has expired. */
export const lacksCookie = ({ status, body }: Answer, delivery: Delivery): boolean =>
  delivery === 'cookie' && status === 400 && body.code === 'invalid_request';

/** An answer that may differ next time is `Unavailable`; any other is a mistake of the caller or of the server. */
export const failure = (url: string, { status, retryAfter }: Answer): Error =>
  status < 400 || status === 429 || status >= 500
    ? new Unavailable(retryAfter)
    : new Error(`${url} answered ${String(status)}`);

/** Whether the access token may be what was refused. If another origin does not expose its challenge, this is unknown. */
export function mayBeRefused({ headers, status, type }: Response): boolean {
  const challenge = headers.get('WWW-Authenticate');
  return status === 401 && (challenge === null ? type === 'cors' : challenge.includes('invalid_token'));
}
