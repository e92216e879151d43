/** The user and session of a valid access token. */
export interface Principal {
  readonly userId: string;
  /** The user who acts for this one; null if nobody does. */
  readonly actor: { readonly userId: string } | null;
  /** Of an actor, the actor's own session. */
  readonly sessionId: string;
  readonly roles: readonly string[];
  /** When the token ends, seconds since the epoch. */
  readonly expiresAt: number;
  /** When the user last proved who they are, seconds since the epoch; null if nobody knows. */
  readonly authTime: number | null;
  /** The methods by which they did, such as `pwd` and `otp`. */
  readonly amr: readonly string[];
  /** The level that this is, as the host names its levels. */
  readonly acr: string | null;
  /** The thumbprint of the key that has proved the request (RFC 7638); null for a bearer token. */
  readonly jkt: string | null;
  /** The host's own claims: the user's, and the session's. */
  readonly claims: Readonly<Record<string, unknown>>;
}
