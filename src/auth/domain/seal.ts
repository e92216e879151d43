import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import { type RefreshTokenRootKey, subkey } from './refresh-token';

/*
 * The envelope: key id (1) · a JSON array · MAC (32), in base64url. The key is derived for one purpose alone, so what is sealed
 * for another one has another MAC. Nothing in it is secret.
 */
const BODY = /^[A-Za-z0-9_-]{1,2044}$/;
const MAC_BYTES = 32;

/** What a sealed text says. */
type Content = readonly (string | number)[];

type SealKey = readonly [id: number, key: KeyObject];

/** Seals texts for one purpose. The first key seals; every key of the ring verifies. */
export class Seal<C extends Content> {
  private readonly label: Buffer;
  private readonly keys: ReadonlyMap<number, KeyObject>;
  private readonly newest: SealKey;

  /** `prefix` begins each text, and `label` is the purpose: the `info` of HKDF-SHA-256 (RFC 5869) over the roots. */
  constructor(
    private readonly prefix: string,
    label: string,
    roots: readonly RefreshTokenRootKey[],
  ) {
    this.label = Buffer.from(label);
    const keys = roots.map(({ id, root }): SealKey => [id, subkey(root, this.label)]);
    const [newest] = keys;
    if (newest === undefined) throw new Error('At least one refresh-token key is needed');
    this.newest = newest;
    this.keys = new Map(keys);
  }

  seal(content: C): string {
    const [id, key] = this.newest;
    const signed = Buffer.concat([Buffer.of(id), Buffer.from(JSON.stringify(content))]);
    return this.prefix + Buffer.concat([signed, this.macOf(key, signed)]).toString('base64url');
  }

  /** Null for anything that this ring has not sealed, in any other spelling too. Costs no I/O. */
  open(sealed: string): C | null {
    const body = sealed.slice(this.prefix.length);
    if (!sealed.startsWith(this.prefix) || !BODY.test(body)) return null;
    const bytes = Buffer.from(body, 'base64url');
    if (bytes.length <= MAC_BYTES || bytes.toString('base64url') !== body) return null;
    const signed = bytes.subarray(0, -MAC_BYTES);
    const key = this.keys.get(signed.readUInt8(0));
    if (key === undefined || !timingSafeEqual(this.macOf(key, signed), bytes.subarray(-MAC_BYTES))) return null;
    return JSON.parse(signed.toString('utf8', 1)) as C;
  }

  private macOf(key: KeyObject, signed: Buffer): Buffer {
    return createHmac('sha256', key).update(this.label).update(signed).digest();
  }
}
