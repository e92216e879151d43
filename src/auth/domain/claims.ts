import { isReservedClaim } from '../../guard/access-token';
import { InvalidInput } from '../../support/invalid-input';
import { plainTextProblem } from './input-rules';
import type { Claims } from './session';

/** In bytes of JSON. */
export const MAX_SESSION_CLAIMS = 2048;
export const MAX_USER_CLAIMS = 1024;
const MAX_NAME = 128;
const MAX_DEPTH = 16;

/** Why a claim cannot be one, or null. */
function claimProblem(name: string, value: unknown): string | null {
  if (isReservedClaim(name)) return 'must not have a reserved name';
  if (plainTextProblem(name) !== null || name === '' || name.length > MAX_NAME)
    return `must have a name of 1 to ${MAX_NAME} printable characters`;
  return isJson(value, MAX_DEPTH) ? null : 'must be JSON, without U+0000 and lone surrogates';
}

/**
 * A copy of the claims as they are stored and signed; undefined values are no claims. Null for none.
 * @throws InvalidInput naming the first claim with a problem, as `<path>.<name>`; of too many bytes, the largest claim
 */
export function demandClaims(path: string, claims: unknown, maxBytes: number): Claims | null {
  if (claims === undefined || claims === null) return null;
  if (!isRecord(claims)) throw new InvalidInput(path, 'must be an object');
  const given = Object.entries(claims).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) {
    const problem = claimProblem(name, value);
    if (problem !== null) throw new InvalidInput(`${path}.${name}`, problem);
  }
  if (given.length === 0) return null;
  const json = JSON.stringify(Object.fromEntries(given));
  if (Buffer.byteLength(json) > maxBytes) {
    const [largest] = given.reduce((one, other) => (sizeOf(other[1]) > sizeOf(one[1]) ? other : one));
    throw new InvalidInput(`${path}.${largest}`, `must be smaller: together they have at most ${maxBytes} bytes`);
  }
  return JSON.parse(json) as Claims;
}

/** @throws InvalidInput naming the first claim of the session that is one of the user's as well */
export function demandNoDouble(path: string, session: Claims | null, user: Claims | null): void {
  for (const name of Object.keys(session ?? {}))
    if (user !== null && Object.hasOwn(user, name))
      throw new InvalidInput(`${path}.${name}`, 'must not be one of the user');
}

/**
 * What a token says of both: nothing fails here. A claim that cannot be one is left out, and of one that both have the user's
 * value counts; each is reported.
 */
export function mergedClaims(
  user: unknown,
  session: Claims | null,
  report: (name: string, what: string) => void,
): Claims | undefined {
  if ((user === undefined || user === null) && session === null) return undefined;
  const merged: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(session ?? {})) {
    const problem = claimProblem(name, value);
    if (problem === null) merged[name] = value;
    else report(name, `is left out: it ${problem}`);
  }
  if (user !== undefined && user !== null && !isRecord(user))
    report('', 'of the user are left out: they must be an object');
  let bytes = 1; // the braces, less a comma
  for (const [name, value] of isRecord(user) ? Object.entries(user) : []) {
    if (value === undefined) continue;
    const problem = claimProblem(name, value);
    if (problem === null) bytes += sizeOf(name) + sizeOf(value) + 2;
    if (problem !== null) report(name, `is left out: it ${problem}`);
    else if (bytes > MAX_USER_CLAIMS)
      report(name, `is left out: the claims of a user have at most ${MAX_USER_CLAIMS} bytes`);
    else {
      if (Object.hasOwn(merged, name)) report(name, "is of the session and of the user: the user's counts");
      merged[name] = value;
    }
  }
  return merged;
}

const sizeOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/** Any object but an array and what JSON has no notation for, such as a date. */
const isRecord = (value: unknown): value is Record<string, unknown> =>
  Object.prototype.toString.call(value) === '[object Object]';

const isText = (text: string): boolean => text.isWellFormed() && !text.includes('\0');

/** Whether JSON, here and in PostgreSQL, returns the value unchanged. */
function isJson(value: unknown, depth: number): boolean {
  if (value === null || typeof value === 'boolean') return true;
  if (typeof value === 'string') return isText(value);
  if (typeof value === 'number') return Number.isFinite(value);
  if (depth === 0) return false;
  if (Array.isArray(value)) return value.every((item) => isJson(item, depth - 1));
  return isRecord(value) && Object.entries(value).every(([name, item]) => isText(name) && isJson(item, depth - 1));
}
