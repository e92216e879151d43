import { createHmac, createSecretKey, hash, hkdfSync, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import { parse as uuidToBytes, stringify as uuidFromBytes } from 'uuid';
import { randomBytesInBulk } from './random';

/*
 * The envelope, in bytes: key id (1) · session id (16) · generation (4, big-endian) · secret (32) · MAC (16).
 * 69 bytes are exactly 92 base64url characters, so there are no spare bits and only one spelling of a token.
 */
const PREFIX = 'rt1_';
const GENERATION_AT = 17;
const SECRET_AT = 21;
const MAC_AT = 53;
const BODY = /^rt1_([A-Za-z0-9_-]{92})$/;

const NONCE_BYTES = 16;
const SECRET_BYTES = 32;
const ROOT_KEY_BYTES = 32;

const MAC_LABEL = Buffer.from('ratchet rt1 mac');
const DERIVE_LABEL = Buffer.from('ratchet rt1 successor');

/** Whether a token is meant as a refresh token; only {@link RefreshTokenKeyRing.open} says whether it is one. */
export const hasRefreshTokenPrefix = (token: string): boolean => token.startsWith(PREFIX);

/** One root key of the ring: `id` 0 to 255, `root` exactly 32 bytes. */
export interface RefreshTokenRootKey {
  /** 0 to 255, in every refresh token. */
  readonly id: number;
  /** Exactly 32 random bytes. */
  readonly root: Uint8Array;
}

/** A refresh token in the open. It exists in memory only: what is stored is its {@link digestOf}. */
export interface RefreshToken {
  readonly keyId: number;
  readonly sessionId: string;
  readonly generation: number;
  readonly secret: Buffer;
}

/** How a session row remembers the token that is current. */
export interface StoredSuccessor {
  readonly tokenHash: Buffer;
  readonly successorNonce: Buffer | null;
  readonly keyId: number;
}

/** A row names a key that the ring no longer has: a fault (503), never a refusal, since the client did nothing wrong. */
export class UnknownRefreshTokenKey extends Error {
  constructor(keyId: number) {
    super(`No refresh-token key with id ${keyId} is configured`);
  }
}

/** SHA-256 of a token's secret: what the session row keeps. 32 bytes. */
export const digestOf = (token: RefreshToken): Buffer => hash('sha256', token.secret, 'buffer');

/** SHA-256 of an `Idempotency-Key`, 32 bytes. An absent key has no hash, so it never equals anything. */
export const retryKeyHashOf = (retryKey: string | undefined): Buffer | null =>
  retryKey === undefined ? null : hash('sha256', retryKey, 'buffer');

/** What an `Idempotency-Key` must look like: room for at least 128 random bits. */
export const RETRY_KEY_PATTERN = /^[A-Za-z0-9_-]{22,128}$/;

/**
 * Issues and reads refresh tokens. The first key issues; every key of the ring verifies and re-derives.
 *
 * The MAC distinguishes a forged token from a superseded one without a read of the database; it is not the credential.
 * Successors are derived, not drawn: a client that presents the predecessor can get the identical successor, while nothing
 * that is stored can be turned into a token without the key *and* the predecessor.
 */
export class RefreshTokenKeyRing {
  private readonly keys = new Map<number, { mac: KeyObject; derive: KeyObject }>();
  private readonly newestKeyId: number;

  constructor(roots: readonly RefreshTokenRootKey[]) {
    const [newest] = roots;
    if (newest === undefined) throw new Error('At least one refresh-token key is needed');
    this.newestKeyId = newest.id;
    for (const { id, root } of roots) {
      this.keys.set(id, { mac: subkey(root, MAC_LABEL), derive: subkey(root, DERIVE_LABEL) });
    }
  }

  /** The token of generation 0, its secret from the CSPRNG. */
  first(sessionId: string): RefreshToken {
    return { keyId: this.newestKeyId, sessionId, generation: 0, secret: randomBytes(SECRET_BYTES) };
  }

  /** The successor of `token` under a fresh nonce and the newest key. */
  successor(token: RefreshToken, nonce: Buffer): RefreshToken {
    return this.derive(token, nonce, this.newestKeyId);
  }

  /**
   * The successor that the session already has: the same from any instance, after any crash.
   * @throws UnknownRefreshTokenKey when its key is no longer in the ring
   * @throws Error when its digest is not the stored one: such a token must never be returned
   */
  storedSuccessor(token: RefreshToken, stored: StoredSuccessor): RefreshToken {
    if (stored.successorNonce === null) throw new Error(`Session ${token.sessionId} has no successor yet`);
    const successor = this.derive(token, stored.successorNonce, stored.keyId);
    if (!timingSafeEqual(digestOf(successor), stored.tokenHash)) {
      throw new Error(`The successor in session ${token.sessionId} is not the one that was derived`);
    }
    return successor;
  }

  /** The 96 characters that the client holds. */
  seal(token: RefreshToken): string {
    const bytes = Buffer.alloc(MAC_AT);
    bytes.writeUInt8(token.keyId, 0);
    bytes.set(uuidToBytes(token.sessionId), 1);
    bytes.writeUInt32BE(token.generation, GENERATION_AT);
    bytes.set(token.secret, SECRET_AT);
    const mac = this.macOf(token.keyId, bytes);
    if (mac === null) throw new UnknownRefreshTokenKey(token.keyId);
    return PREFIX + Buffer.concat([bytes, mac]).toString('base64url');
  }

  /** The token behind `sealed`, or null for anything that this ring has not sealed. Costs microseconds and no I/O. */
  open(sealed: string): RefreshToken | null {
    const body = BODY.exec(sealed)?.[1];
    if (body === undefined) return null;
    const bytes = Buffer.from(body, 'base64url');
    const signed = bytes.subarray(0, MAC_AT);
    const keyId = bytes.readUInt8(0);
    const mac = this.macOf(keyId, signed);
    if (mac === null || !timingSafeEqual(mac, bytes.subarray(MAC_AT))) return null;
    const sessionId = uuidOf(bytes.subarray(1, GENERATION_AT));
    if (sessionId === null) return null;
    return {
      keyId,
      sessionId,
      generation: bytes.readUInt32BE(GENERATION_AT),
      secret: bytes.subarray(SECRET_AT, MAC_AT),
    };
  }

  private derive(token: RefreshToken, nonce: Buffer, keyId: number): RefreshToken {
    const key = this.keys.get(keyId);
    if (key === undefined) throw new UnknownRefreshTokenKey(keyId);
    const generation = token.generation + 1;
    const secret = createHmac('sha256', key.derive)
      .update(DERIVE_LABEL)
      .update(uuidToBytes(token.sessionId))
      .update(uint32(generation))
      .update(token.secret)
      .update(nonce)
      .digest();
    return { keyId, sessionId: token.sessionId, generation, secret };
  }

  private macOf(keyId: number, signed: Buffer): Buffer | null {
    const key = this.keys.get(keyId);
    if (key === undefined) return null;
    return createHmac('sha256', key.mac).update(MAC_LABEL).update(signed).digest().subarray(0, 16);
  }
}

/** A fresh nonce for one rotation, 16 bytes. */
export const newSuccessorNonce = (): Buffer => randomBytesInBulk(NONCE_BYTES);

/** The key for one purpose. */
export function subkey(root: Uint8Array, info: Buffer): KeyObject {
  if (root.length !== ROOT_KEY_BYTES)
    throw new Error(`A refresh-token key has ${ROOT_KEY_BYTES} bytes, not ${root.length}`);
  return createSecretKey(Buffer.from(hkdfSync('sha256', root, Buffer.alloc(0), info, 32)));
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function uuidOf(bytes: Uint8Array): string | null {
  try {
    return uuidFromBytes(bytes);
  } catch {
    return null; // sealed with our key, yet no UUID: the sender holds the key, and gets no session for it
  }
}
