import type { RefreshTokenRootKey } from './refresh-token';
import { Seal } from './seal';

const PREFIX = 'ot1_';
const LABEL = 'ratchet ot1 ticket';
/** Tickets of all purposes have one key, so each says what it is for. */
const PURPOSE = 'password_reset';

/** What a reset ticket says. */
export interface ResetTicket {
  readonly userId: string;
  /** The user's floor when it was issued. A reset raises it from exactly this value, so a ticket works once, and older ones end with it. */
  readonly floor: number;
  /** When, on the database's clock. */
  readonly issuedAt: Date;
}

/** Over at the moment of its limit. */
export const isTooOld = ({ issuedAt }: ResetTicket, ttlSeconds: number, now: Date): boolean =>
  now.getTime() >= issuedAt.getTime() + ttlSeconds * 1000;

/** Seals reset tickets: texts that begin with `ot1_`. */
export class ResetTicketSeal {
  private readonly sealed: Seal<[purpose: string, userId: string, floor: number, issuedAt: number]>;

  constructor(roots: readonly RefreshTokenRootKey[]) {
    this.sealed = new Seal(PREFIX, LABEL, roots);
  }

  seal({ userId, floor, issuedAt }: ResetTicket): string {
    return this.sealed.seal([PURPOSE, userId, floor, issuedAt.getTime()]);
  }

  /** Null for anything that these keys have not sealed for this purpose. Costs no I/O. */
  open(text: string): ResetTicket | null {
    const content = this.sealed.open(text);
    if (content === null) return null;
    const [purpose, userId, floor, issuedAt] = content;
    return purpose === PURPOSE ? { userId, floor, issuedAt: new Date(issuedAt) } : null;
  }
}
