/** The answer of a login, a password change or a refresh. With cookie delivery it has no `refreshToken`. */
export interface TokenPair {
  readonly accessToken: string;
  readonly refreshToken?: string;
  /** Seconds until the access token expires. */
  readonly expiresIn: number;
  /** `DPoP`: each use of the access token requires a proof by the key of the device. */
  readonly tokenType?: string;
  readonly sessionId: string;
}

/**
 * One string: the tokens, and the key of a refresh in flight. Every context that shares the session reads and writes the same
 * one: the tabs of a browser, the processes of a backend. The next `read` of any of them must return what `write` was given.
 * A store that is durable before its promise resolves also survives a crash. If it fails, the call fails with the same error.
 */
export interface SessionStore {
  /** The string of the last `write`; null if there is none. */
  read(): string | null | Promise<string | null>;
  /** The caller awaits it. `null` removes the string. */
  write(text: string | null): unknown;
  /** Calls `listener` after another context has written. Without it, other contexts notice at their next call. */
  onWrite?(listener: () => void): unknown;
}

/** Runs `work` while no other context with the same store runs any. `work` never rejects. */
export type SessionLock = (work: () => Promise<void>) => Promise<unknown>;

/** A key pair of Web Crypto for ECDSA over P-256. */
export interface KeyPair {
  readonly publicKey: object;
  readonly privateKey: object;
}

/** The `fetch` of the platform, or one with its signature. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** Where a session is refreshed, and where it is kept. */
export interface SessionOptions {
  /** The absolute URL that exchanges refresh tokens, such as `https://api.example/auth/refresh`. */
  readonly refreshUrl: string;
  /** By default `logout` beside `refreshUrl`. */
  readonly logoutUrl?: string;
  /** By default `reauthenticate` beside `refreshUrl`. */
  readonly reauthenticateUrl?: string;
  /** The delivery of the login: the refresh token is in the store, or in a cookie that scripts cannot read. */
  readonly delivery: 'body' | 'cookie';
  readonly store: SessionStore;
  /** By default the calls of this object wait for each other, which is enough if nothing else uses the store. */
  readonly lock?: SessionLock;
  /** By default the global `fetch`. */
  readonly fetch?: Fetch;
  /**
   * Binds the session to a key of this device, which you keep as long as the session: a thief of the refresh token alone cannot use
   * it (DPoP, RFC 9449). Called once, with the first request. Sign in with {@link Session.bind}.
   */
  readonly binding?: () => Promise<KeyPair>;
  /**
   * With cookie delivery: truthy, or a promise of what is truthy, while the browser refreshes the session by itself and sends its access token as a
   * cookie: then there is no token for scripts, and a refused refresh does not end the session.
   */
  readonly isHeld?: () => unknown;
}

/** The session in the store. */
export interface CurrentSession {
  readonly sessionId: string;
}

/** One session, in every context that shares its store. */
export interface Session {
  /**
   * The session in the store as this context has last seen it; null if there is none. Known at once if the store answers
   * without a promise; otherwise undefined until its first answer. The same object until it changes.
   */
  readonly current: CurrentSession | null | undefined;
  /**
   * Calls `listener` when `current` has changed: a session has begun, or has replaced another, or has ended, in this context
   * or in another. Returns a function that removes the listener.
   */
  onChange(listener: (current: CurrentSession | null) => void): () => void;
  /**
   * Starts the session of a login or a password change, and replaces any other session. With cookie delivery, `end` a session
   * before another user logs in: the answer to a refresh in flight would set the old cookie again.
   */
  start(pair: TokenPair): Promise<void>;
  /**
   * Returns the access token, and refreshes it before it expires, once for all callers; null if there is no session, or if it
   * was refused. @throws Unavailable
   */
  accessToken(): Promise<string | null>;
  /**
   * `fetch` with a proof by the key of this device. Send the login with it: the session that it opens is bound to the key. Without
   * the option `binding` it is `fetch`.
   */
  readonly bind: Fetch;
  /** Returns a newer access token than the current one; null as above. @throws Unavailable */
  refresh(): Promise<string | null>;
  /**
   * Proves the password again, after an answer with `recovery: 'step_up'`, and returns an access token that contains the proof:
   * send the request again. It is a refresh by the same rule; null as above. @throws WrongPassword, Unavailable
   */
  reauthenticate(password: string): Promise<string | null>;
  /**
   * `fetch` with the access token; without a session, the request is sent as it is. Use it for your own services only, since
   * the server that receives the request can read the token. If the token is refused as `invalid_token` (RFC 6750 section
   * 3.1), or another origin answers 401 and does not expose its challenge (`Access-Control-Expose-Headers: WWW-Authenticate`),
   * it refreshes and sends the request again, once. @throws Unavailable
   */
  fetch: Fetch;
  /** Logs out. If the server cannot be reached, the session is kept. @throws Unavailable */
  end(): Promise<void>;
}

/** The password is wrong. The session continues. */
export class WrongPassword extends Error {
  override name = 'WrongPassword';
}

/** There was no conclusive answer for half a minute. The session is kept, and the next call continues the same refresh. */
export class Unavailable extends Error {
  override name = 'Unavailable';

  /** @param retryAfter The server's `Retry-After` in seconds; 0 if there was none. */
  constructor(readonly retryAfter: number) {
    super();
  }
}
