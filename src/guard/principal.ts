/** The user and session of a valid access token. */
export interface Principal {
  readonly userId: string;
  readonly sessionId: string;
  readonly roles: readonly string[];
  /** When the token ends, seconds since the epoch. */
  readonly expiresAt: number;
}
