/** Whom a valid access token speaks for. */
export interface Principal {
  readonly userId: string;
  readonly sessionId: string;
  readonly roles: readonly string[];
  /** When the token ends, seconds since the epoch. */
  readonly expiresAt: number;
}
