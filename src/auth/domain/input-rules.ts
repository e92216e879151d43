import { validate as isUuid } from 'uuid';
import { controlProblem, userIdProblem } from '../../guard/user-id';
import { CUT_OFF_MODES, MAX_GRACE_SECONDS } from '../../guard/versions';
import { positionOf } from '../../support/cursor';
import { InvalidInput } from '../../support/invalid-input';
import { RETRY_KEY_PATTERN } from './refresh-token';
import { REVOCATION_REASONS } from './refusals';
import { DELIVERIES } from './session';

/*
 * The rules of what use cases are given, each as the words that follow the field's name, or null. Commands and queries
 * are public: their handlers ask these, and so do the DTOs and the command line, which name every broken rule at once.
 */

export const MAX_REASON = 500;
export const MAX_DEVICE_NAME = 128;
const MAX_ROLES = 32;
const MAX_ROLE = 64;
const MAX_AMR = 16;
/** @internal */
export const MAX_VERSION = 2 ** 31 - 1;

type Problem = string | null;

export { controlProblem, userIdProblem };

const TURNING = /[\u2028-\u202E\u2066-\u2069]/;
const NOT_PLAIN = new RegExp(`\\p{Cc}|${TURNING.source}`, 'gu');

/**
 * For text that is shown to people: also without characters that turn the text after them (U+202A to U+202E, U+2066 to U+2069) or break its line (U+2028, U+2029).
 * @internal
 */
export const plainTextProblem = (value: unknown): Problem =>
  controlProblem(value) ??
  (TURNING.test(value as string)
    ? 'must be a string without characters that break lines or change the direction of text'
    : null);

/** A text without the characters that {@link plainTextProblem} refuses; lone surrogates stay. */
export const plainTextOf = (text: string): string => text.replace(NOT_PLAIN, '');

/** Why a change of versions is asked for: the audit trail keeps it. @internal */
export function reasonProblem(reason: unknown): Problem {
  const problem = plainTextProblem(reason);
  if (problem !== null) return problem;
  if (!/\S/.test(reason as string)) return 'must not be empty';
  return (reason as string).length > MAX_REASON ? `must have at most ${MAX_REASON} characters` : null;
}

/** The name that people give a device; null for none. */
export function deviceNameProblem(name: unknown): Problem {
  if (name === null) return null;
  const problem = plainTextProblem(name);
  if (problem !== null) return problem;
  if (!/\S/.test(name as string)) return 'must not be empty: null removes the name';
  return (name as string).length > MAX_DEVICE_NAME ? `must have at most ${MAX_DEVICE_NAME} characters` : null;
}

const wholeProblem = (value: unknown, min: number, max: number): Problem =>
  Number.isInteger(value) && (value as number) >= min && (value as number) <= max
    ? null
    : `must be a whole number from ${min} to ${max}`;

/** The longest recovery epoch: 7 days. @internal */
export const MAX_RECOVERY_SECONDS = 7 * 24 * 60 * 60;

/** Seconds; 0 ends the epoch. */
export const recoveryProblem = (seconds: unknown): Problem => wholeProblem(seconds, 0, MAX_RECOVERY_SECONDS);

/** Seconds. */
export const graceProblem = (seconds: unknown): Problem => wholeProblem(seconds, 0, MAX_GRACE_SECONDS);

export const versionProblem = (version: unknown): Problem => wholeProblem(version, 1, MAX_VERSION);

/** Seconds. */
export const ttlProblem = (seconds: unknown, max: number): Problem => wholeProblem(seconds, 1, max);

const oneOfProblem = (value: unknown, values: readonly string[]): Problem =>
  values.includes(value as string) ? null : `must be one of ${values.join(', ')}`;

export const cutOffModeProblem = (mode: unknown): Problem => oneOfProblem(mode, CUT_OFF_MODES);

export const revocationReasonProblem = (reason: unknown): Problem => oneOfProblem(reason, REVOCATION_REASONS);

export const deliveryProblem = (delivery: unknown): Problem => oneOfProblem(delivery, DELIVERIES);

/** How a user was verified: a short name for the record. */
export const methodProblem = (method: unknown): Problem =>
  typeof method === 'string' && /^[a-z0-9_.:-]{1,64}$/.test(method)
    ? null
    : 'must be 1 to 64 characters of a-z, 0-9, _ . : and -';

const isPlainWord = (value: unknown): boolean => plainTextProblem(value) === null && /^\S{1,64}$/.test(value as string);

/** How a user was authenticated (RFC 8176). */
export const amrProblem = (amr: unknown): Problem =>
  Array.isArray(amr) && amr.length <= MAX_AMR && amr.every(isPlainWord)
    ? null
    : `must be at most ${MAX_AMR} strings of 1 to 64 characters without blanks`;

/** The name of a level: it is listed between blanks, inside of quotes. */
export const acrProblem = (acr: unknown): Problem =>
  typeof acr === 'string' && /^[\x21\x23-\x5B\x5D-\x7E]{1,128}$/.test(acr)
    ? null
    : 'must be 1 to 128 printable ASCII characters without blanks, quotes and backslashes';

export const timeProblem = (time: unknown): Problem =>
  time instanceof Date && time.getTime() >= 0 ? null : 'must be a valid Date since 1970';

/** A grace period has no meaning where tokens are refused at once. @internal */
export const graceOfModeProblem = (seconds: unknown, mode: unknown): Problem =>
  mode === 'immediate' ? 'must not be given in mode immediate' : graceProblem(seconds);

/** Of a session or an attempt. @internal */
export const idProblem = (id: unknown): Problem => (isUuid(id) ? null : 'must be a UUID');

export function rolesProblem(roles: unknown): Problem {
  if (!Array.isArray(roles) || roles.length > MAX_ROLES || new Set(roles).size < roles.length)
    return `must be at most ${MAX_ROLES} roles, each once`;
  const isRole = (role: unknown) =>
    plainTextProblem(role) === null && /\S/.test(role as string) && (role as string).length <= MAX_ROLE;
  return roles.every(isRole) ? null : `must be non-empty strings of at most ${MAX_ROLE} characters`;
}

/** Undefined is no key, and no problem. */
export const retryKeyProblem = (key: unknown): Problem =>
  key === undefined || (typeof key === 'string' && RETRY_KEY_PATTERN.test(key))
    ? null
    : 'must be 22 to 128 characters of base64url';

/** How many items a page may have. */
export const pageProblem = (limit: unknown, max: number): Problem => wholeProblem(limit, 1, max);

/** How many hours a histogram has: a week at most. */
export const MAX_HOURS = 168;
export const hoursProblem = (hours: unknown): Problem => wholeProblem(hours, 1, MAX_HOURS);

/** Where a page starts. */
export const cursorProblem = (cursor: unknown): Problem =>
  positionOf(cursor) === null ? 'must be the nextCursor of an earlier page' : null;

/** @throws InvalidInput naming the first field with a problem @internal */
export function demand(problems: Readonly<Record<string, Problem>>): void {
  for (const [path, problem] of Object.entries(problems)) if (problem !== null) throw new InvalidInput(path, problem);
}
