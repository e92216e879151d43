import { parseAccessToken, type UnverifiedAccessToken, verifiedClaims } from '../guard/access-token';
import { asymmetricKeyOf } from '../guard/asymmetric-key';
import type { AlgorithmKey } from '../guard/jws';
import { type AccessTokenClaims, AccessTokenKeys } from '../guard/ports/access-token.keys';
import { type Log, Outage } from '../support/outage';
import { Overloaded } from '../support/overloaded';
import { getJson } from './get-json';
import type { ResourceServerSettings } from './options';

const RENEW_MS = 300_000;
/** Between two looks for an unknown key: anyone can send a token with a new `kid`. */
const LOOK_GAP_MS = 30_000;
const RETRY_MS = 1000;
const TIMEOUT_MS = 3000;
const MAX_BYTES = 256 * 1024;
const MAX_KEYS = 100;
/** Keys that could not be read again for so long may have been withdrawn. */
const MAX_AGE_MS = 3_600_000;

/** The public keys of the authorization server (RFC 7517), by the `kid` in a token. */
export class JwksAccessTokenKeys extends AccessTokenKeys {
  /** Called when a key is not there any more. */
  onWithdrawn: () => void = () => undefined;

  private keys: ReadonlyMap<string, AlgorithmKey> = new Map();
  /** On the monotonic clock, like `tryAgainAt`. */
  private readAt = -Infinity;
  private tryAgainAt = -Infinity;
  private isFailing = false;
  private underWay: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly ended = new AbortController();
  private readonly outage: Outage;

  constructor(
    private readonly settings: ResourceServerSettings,
    private readonly log: Log,
  ) {
    super();
    this.outage = new Outage(log, 'The public keys are read again');
  }

  /** Reads the keys, and again every five minutes; a failure is logged. */
  async start(): Promise<void> {
    this.timer = setInterval(() => void this.read(), RENEW_MS).unref();
    await this.read();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.ended.abort(new Error('the service ends'));
    await this.underWay;
  }

  /** @throws Overloaded when the keys are not known well enough to decide */
  verify(token: string): AccessTokenClaims | null | Promise<AccessTokenClaims | null> {
    const parsed = parseAccessToken(token);
    if (parsed === null) return null;
    if (this.keys.has(parsed.kid)) return this.verified(parsed);
    if (this.underWay === undefined && performance.now() < this.tryAgainAt) return this.verified(parsed);
    return this.read().then(() => this.verified(parsed));
  }

  private verified(parsed: UnverifiedAccessToken): AccessTokenClaims | null {
    const key = this.keys.get(parsed.kid);
    if (performance.now() - this.readAt > MAX_AGE_MS) throw new Overloaded('The public keys are out of date');
    if (key !== undefined) return verifiedClaims(parsed, key, this.settings);
    if (this.isFailing) throw new Overloaded('The public keys could not be read');
    return null;
  }

  /** One look for all who ask meanwhile. */
  private read(): Promise<void> {
    this.underWay ??= this.readOnce().finally(() => (this.underWay = undefined));
    return this.underWay;
  }

  private async readOnce(): Promise<void> {
    const begunAt = performance.now();
    try {
      const { body } = await getJson(this.settings.jwksUrl, { timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES });
      this.take(keysOf(body));
      this.readAt = begunAt;
      this.tryAgainAt = performance.now() + LOOK_GAP_MS;
      this.isFailing = false;
      this.outage.ends();
    } catch (error) {
      this.isFailing = true;
      this.tryAgainAt = performance.now() + RETRY_MS;
      if (!this.ended.signal.aborted) this.outage.goesOn(`The public keys could not be read: ${String(error)}`);
    }
  }

  private take(keys: ReadonlyMap<string, AlgorithmKey>): void {
    const withdrawn = [...this.keys].filter(([kid, { key }]) => keys.get(kid)?.key.equals(key) !== true);
    this.keys = keys;
    if (withdrawn.length === 0) return;
    this.log.log(`Public keys were withdrawn: ${withdrawn.map(([kid]) => kid).join(', ')}`);
    this.onWithdrawn();
  }
}

/** The keys that can verify access tokens; others, of algorithms or uses that ours do not have, are left out. */
function keysOf(body: unknown): ReadonlyMap<string, AlgorithmKey> {
  const { keys } = (body ?? {}) as { keys?: unknown };
  if (!Array.isArray(keys) || keys.length > MAX_KEYS) throw new Error('this is no set of keys');
  const found = new Map<string, AlgorithmKey>();
  for (const jwk of keys as { kid?: unknown }[]) {
    const key = asymmetricKeyOf('public', jwk);
    if (key !== null && typeof jwk.kid === 'string' && !found.has(jwk.kid)) found.set(jwk.kid, key);
  }
  return found;
}
