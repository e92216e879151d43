import { validate as isUuid } from 'uuid';
import { type AlgorithmKey, isSignedBy, type Jws, objectOf, parseJws } from './jws';
import type { AccessTokenClaims } from './ports/access-token.keys';
import { userIdProblem } from './user-id';

export const ACCESS_TOKEN_TYP = 'at+jwt'; // RFC 9068 section 2.1
const HEADER = ['alg', 'kid', 'typ'];

/** A token with the header of our access tokens, not verified: `kid` says which key to look for. */
export interface UnverifiedAccessToken {
  readonly kid: string;
  readonly jws: Jws;
}

/** Null unless the header says what ours say and nothing else: no `crit`, `jwk`, `jku`, `x5u` (RFC 8725 section 3.10). */
export function parseAccessToken(token: string): UnverifiedAccessToken | null {
  const jws = parseJws(token);
  if (jws === null) return null;
  const { kid, typ } = jws.header;
  if (Object.keys(jws.header).sort().join() !== HEADER.join() || typ !== ACCESS_TOKEN_TYP) return null;
  return typeof kid === 'string' ? { kid, jws } : null;
}

/**
 * The claims of a token that is signed by the key, from this issuer and for this audience; null for anything else. Times are
 * not judged: the database's clock decides them, not this machine's.
 */
export function verifiedClaims(
  { jws }: UnverifiedAccessToken,
  key: AlgorithmKey,
  { issuer, audience }: { readonly issuer: string; readonly audience: string },
): AccessTokenClaims | null {
  const payload = isSignedBy(key, jws) ? objectOf(jws.payload) : null;
  if (payload === null || payload.iss !== issuer) return null;
  const { aud } = payload;
  return aud === audience || (Array.isArray(aud) && aud.includes(audience)) ? claimsOf(payload) : null;
}

/** RFC 7519 section 4.1, what auth says itself or will, and the members of an introspection (RFC 7662). */
const RESERVED: ReadonlySet<string> = new Set([
  ...['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti'],
  ...['sid', 'gv', 'uv', 'roles', 'email', 'auth_time', 'amr', 'acr', 'act', 'cnf', 'client_id', 'scope'],
  ...['active', 'username', 'token_type'],
  '__proto__',
]);

export const isReservedClaim = (name: string): boolean => RESERVED.has(name);

function claimsOf(payload: Record<string, unknown>): AccessTokenClaims | null {
  const {
    sub,
    sid,
    jti,
    iat,
    exp,
    nbf,
    gv,
    uv,
    roles,
    email,
    auth_time: authTime,
    amr,
    acr,
    act,
    cnf,
    ...others
  } = payload;
  if (userIdProblem(sub) !== null || !isUuid(sid) || typeof jti !== 'string') return null;
  // None of ours has a `nbf`, and nothing here would judge it.
  if (!isCount(iat) || !isCount(exp) || !isCount(gv) || !isCount(uv) || nbf !== undefined) return null;
  if (!isStrings(roles) || (amr !== undefined && !isStrings(amr))) return null;
  if (email !== undefined && typeof email !== 'string') return null;
  if (acr !== undefined && typeof acr !== 'string') return null;
  if (authTime !== undefined && !isCount(authTime)) return null;
  if (act !== undefined && !isAct(act)) return null;
  if (cnf !== undefined && !isConfirmation(cnf)) return null;
  const hosts = Object.entries(others).filter(([name]) => !isReservedClaim(name));
  return {
    sub: sub as string,
    sid: sid as string,
    jti,
    iat,
    exp,
    roles,
    stamps: { globalVersionAtIssuance: gv, tokenVersion: uv },
    ...(email === undefined ? {} : { email }),
    ...(authTime === undefined ? {} : { authTime }),
    ...(amr === undefined ? {} : { amr }),
    ...(acr === undefined ? {} : { acr }),
    ...(act === undefined ? {} : { act: frozen(act) }),
    ...(cnf === undefined ? {} : { jkt: cnf.jkt }),
    // The claims are remembered for the next request with this token, so no handler may change them.
    ...(hosts.length === 0 ? {} : { claims: frozen(Object.fromEntries(hosts)) }),
  };
}

const isStrings = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string');

/** Exactly as it is issued: an actor of an actor, or a member that nobody here knows, would change whose token it is. */
const isAct = (value: unknown): value is NonNullable<AccessTokenClaims['act']> =>
  typeof value === 'object' &&
  value !== null &&
  Object.keys(value).sort().join() === 'sub,uv' &&
  userIdProblem((value as { sub: unknown }).sub) === null &&
  isCount((value as { uv: unknown }).uv);

/** A confirmation that nobody here can check would make a bearer token of one that is bound. */
const isConfirmation = (value: unknown): value is { readonly jkt: string } =>
  typeof value === 'object' &&
  value !== null &&
  Object.keys(value).join() === 'jkt' &&
  typeof (value as { jkt: unknown }).jkt === 'string';

function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) for (const item of Object.values(Object.freeze(value))) frozen(item);
  return value;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
