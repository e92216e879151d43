import type { RefreshTokenRootKey } from './refresh-token';
import { Seal } from './seal';

/** Seconds for which a nonce is the current one; it counts for as long again. */
const EPOCH_SECONDS = 30;

/**
 * The nonces of DPoP proofs (RFC 9449 section 8), of which nothing is stored: the number of the current half minute, sealed with
 * a key that is derived from the refresh-token keys. Every instance with these keys gives and accepts the same ones.
 */
export class DpopNonces {
  private readonly seal: Seal<readonly [epoch: number]>;

  constructor(roots: readonly RefreshTokenRootKey[]) {
    this.seal = new Seal('', 'ratchet dpop nonce', roots);
  }

  current(now: Date): string {
    return this.seal.seal([epochOf(now)]);
  }

  /** Whether it is the current nonce or the one before. */
  accepts(nonce: string | undefined, now: Date): boolean {
    const opened = nonce === undefined ? null : this.seal.open(nonce);
    return opened !== null && (opened[0] === epochOf(now) || opened[0] === epochOf(now) - 1);
  }
}

const epochOf = (now: Date): number => Math.floor(now.getTime() / 1000 / EPOCH_SECONDS);
