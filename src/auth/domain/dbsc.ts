import { type AlgorithmKey, isSignedBy, type Jws, objectOf, parseJws } from '../../guard/jws';
import { MAX_PROOF, proofKeyOf, thumbprintOf } from '../../guard/dpop';
import type { DbscBinding } from './binding';
import type { RefreshTokenRootKey } from './refresh-token';
import { Seal } from './seal';

/*
 * Device Bound Session Credentials (draft of the W3C, https://w3c.github.io/webappsec-dbsc/; experimental): what is signed, and
 * the challenges that are signed. How it is written into headers and answers is in `http/dbsc`.
 */

/** Of the keys that browsers make. */
export const DBSC_ALGORITHMS = ['ES256', 'RS256'] as const;

/** Of an access token as a cookie, in characters: browsers refuse one of more than 4,096 bytes without a word. */
export const MAX_BOUND_TOKEN = 3800;

/** How long an invitation to register is good for, in seconds. */
const INVITED_SECONDS = 300;

/** A `Secure-Session-Response` by its form, whose signature is not verified. */
export interface SignedChallenge {
  readonly jws: Jws;
  readonly challenge: string;
  /** Only in a registration, like the key. */
  readonly authorization: string | undefined;
  readonly key: AlgorithmKey | null;
}

/** Null for what is none. The header is a token or, in later drafts, a string (RFC 8941). */
export function parseSignedChallenge(header: string): SignedChallenge | null {
  const jws = header.length > MAX_PROOF ? null : parseJws(header.replace(/^"(.*)"$/, '$1'));
  if (jws === null) return null;
  const { typ, alg, jwk, crit } = jws.header;
  const claims = objectOf(jws.payload);
  if (typ !== 'dbsc+jwt' || crit !== undefined || !isAlgorithm(alg) || claims === null) return null;
  const { jti, authorization } = claims;
  if (typeof jti !== 'string' || (authorization !== undefined && typeof authorization !== 'string')) return null;
  return { jws, challenge: jti, authorization, key: proofKeyOf(jwk) };
}

/** The public key of a registration as it is stored; null if the registration has none, or is not signed by it. */
export function registeredKeyOf({ jws, key }: SignedChallenge): DbscBinding['jwk'] | null {
  return key === null || !isSignedBy(key, jws) ? null : (key.key.export({ format: 'jwk' }) as DbscBinding['jwk']);
}

export function isSignedByDevice({ jws }: SignedChallenge, { jwk }: Pick<DbscBinding, 'jwk'>): boolean {
  const key = proofKeyOf(jwk);
  return key !== null && isSignedBy(key, jws);
}

export function isSameKey(one: DbscBinding['jwk'], other: DbscBinding['jwk']): boolean {
  const [first, second] = [proofKeyOf(one), proofKeyOf(other)];
  return first !== null && second !== null && thumbprintOf(first) === thumbprintOf(second);
}

type Dated = readonly [id: string, atSeconds: number];

/**
 * The challenges of a bound session, and the authorization of a registration. Nothing of them is stored: both are sealed, with
 * their time, by keys that are derived from the refresh-token keys. Every instance with these keys gives and accepts the same ones.
 *
 * A challenge is fresh, not unused: a browser that has lost an answer sends the same proof again.
 */
export class SessionChallenges {
  private readonly challenges: Seal<Dated>;
  private readonly authorizations: Seal<Dated>;

  /** @param seconds How long a challenge is fresh. */
  constructor(
    roots: readonly RefreshTokenRootKey[],
    private readonly seconds: number,
  ) {
    this.challenges = new Seal('', 'ratchet dbsc challenge', roots);
    this.authorizations = new Seal('', 'ratchet dbsc registration', roots);
  }

  challengeOf(id: string, now: Date): string {
    return this.challenges.seal([id, secondsOf(now)]);
  }

  isFresh(challenge: string, id: string, now: Date): boolean {
    return isRecent(this.challenges.open(challenge), id, this.seconds, now);
  }

  /** Only the answer to a login has it: a refresh token alone registers nothing. */
  authorizationOf(sessionId: string, now: Date): string {
    return this.authorizations.seal([sessionId, secondsOf(now)]);
  }

  isInvited({ challenge, authorization }: SignedChallenge, sessionId: string, now: Date): boolean {
    return (
      authorization !== undefined &&
      isRecent(this.challenges.open(challenge), sessionId, INVITED_SECONDS, now) &&
      isRecent(this.authorizations.open(authorization), sessionId, INVITED_SECONDS, now)
    );
  }
}

/** Not later than `now` alone: the clocks of two instances differ a little. */
const isRecent = (opened: Dated | null, id: string, seconds: number, now: Date): boolean =>
  opened?.[0] === id && secondsOf(now) - opened[1] <= seconds;

const isAlgorithm = (alg: unknown): boolean => DBSC_ALGORITHMS.some((one) => one === alg);

const secondsOf = (date: Date): number => Math.floor(date.getTime() / 1000);
