import type { VersionStamps } from '../../guard/versions';
import type { RefreshTokenRootKey } from './refresh-token';
import { Seal } from './seal';

const PREFIX = 'vu1_';
const LABEL = 'ratchet vu1 verified user';

/** How long after the proof a session can be opened. */
const VALID_MS = 10 * 60 * 1000;

declare const SEALED: unique symbol;

/**
 * A user who has proved who they are, as a text that begins with `vu1_`: valid for ten minutes, for one session. Nobody can
 * forge it, so it can travel through a redirect. It is a credential for as long: keep it out of logs and of other hands.
 */
export type VerifiedUser = string & { readonly [SEALED]: true };

/** What a verified user's text says. */
export interface Verification {
  readonly userId: string;
  /** What was proved first: a sealed link must not pass for a password. */
  readonly method: string;
  /** The floors of before the proof: whatever raises one afterwards refuses the session that is opened. */
  readonly stamps: VersionStamps;
  /** When, on the database's clock. */
  readonly authTime: Date;
  /** The session that it opens; an id is used once. */
  readonly sessionId: string;
}

/** Whether it is to be read as a verified user, and not as a user's id. */
export const isVerifiedUser = (text: string): text is VerifiedUser => text.startsWith(PREFIX);

/** Over at the moment of its limit. */
export const isOver = ({ authTime }: Verification, now: Date): boolean =>
  now.getTime() >= authTime.getTime() + VALID_MS;

/** Seals verified users. */
export class VerifiedUserSeal {
  private readonly sealed: Seal<
    [userId: string, method: string, tokenVersion: number, globalVersion: number, authTime: number, sessionId: string]
  >;

  constructor(roots: readonly RefreshTokenRootKey[]) {
    this.sealed = new Seal(PREFIX, LABEL, roots);
  }

  seal({ userId, method, stamps, authTime, sessionId }: Verification): VerifiedUser {
    const { tokenVersion, globalVersionAtIssuance } = stamps;
    return this.sealed.seal([
      userId,
      method,
      tokenVersion,
      globalVersionAtIssuance,
      authTime.getTime(),
      sessionId,
    ]) as VerifiedUser;
  }

  /** Null for anything that these keys have not sealed. Costs no I/O. */
  open(text: string): Verification | null {
    const content = this.sealed.open(text);
    if (content === null) return null;
    const [userId, method, tokenVersion, globalVersionAtIssuance, authTime, sessionId] = content;
    const stamps = { tokenVersion, globalVersionAtIssuance };
    return { userId, method, stamps, authTime: new Date(authTime), sessionId };
  }
}
