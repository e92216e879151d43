import { validate as isUuid } from 'uuid';
import { CUT_OFF_MODES, MAX_GRACE_SECONDS } from '../../guard/versions';
import { InvalidInput } from '../../support/invalid-input';
import { RETRY_KEY_PATTERN } from './refresh-token';
import { REVOCATION_REASONS } from './refusals';

/*
 * The rules of what use cases are given, each as the words that follow the field's name, or null. Commands and queries
 * are public: their handlers ask these, and so do the DTOs and the command line, which name every broken rule at once.
 */

export const MAX_REASON = 500;
const MAX_ROLES = 32;
const MAX_ROLE = 64;
export const MAX_VERSION = 2 ** 31 - 1;

type Problem = string | null;

const CONTROL = /\p{Cc}/u;
const TURNING = /[\u2028-\u202E\u2066-\u2069]/;
const NOT_PLAIN = new RegExp(`${CONTROL.source}|${TURNING.source}`, 'gu');

/**
 * Without control characters (U+0000 to U+001F, U+007F to U+009F) and lone surrogates: PostgreSQL refuses the first of them,
 * and logs and terminals obey the others.
 */
export const controlProblem = (value: unknown): Problem =>
  typeof value === 'string' && value.isWellFormed() && !CONTROL.test(value)
    ? null
    : 'must be a string without control characters';

/** For text that is shown to people: also without characters that turn the text after them (U+202A to U+202E, U+2066 to U+2069) or break its line (U+2028, U+2029). */
export const plainTextProblem = (value: unknown): Problem =>
  controlProblem(value) ??
  (TURNING.test(value as string)
    ? 'must be a string without characters that break lines or change the direction of text'
    : null);

/** A text without the characters that {@link plainTextProblem} refuses; lone surrogates stay. */
export const plainTextOf = (text: string): string => text.replace(NOT_PLAIN, '');

/** Why a change of versions is asked for: the audit trail keeps it. */
export function reasonProblem(reason: unknown): Problem {
  const problem = plainTextProblem(reason);
  if (problem !== null) return problem;
  if (!/\S/.test(reason as string)) return 'must not be empty';
  return (reason as string).length > MAX_REASON ? `must have at most ${MAX_REASON} characters` : null;
}

const wholeProblem = (value: unknown, min: number, max: number): Problem =>
  Number.isInteger(value) && (value as number) >= min && (value as number) <= max
    ? null
    : `must be a whole number from ${min} to ${max}`;

/** Seconds. */
export const graceProblem = (seconds: unknown): Problem => wholeProblem(seconds, 0, MAX_GRACE_SECONDS);

export const versionProblem = (version: unknown): Problem => wholeProblem(version, 1, MAX_VERSION);

const oneOfProblem = (value: unknown, values: readonly string[]): Problem =>
  values.includes(value as string) ? null : `must be one of ${values.join(', ')}`;

export const cutOffModeProblem = (mode: unknown): Problem => oneOfProblem(mode, CUT_OFF_MODES);

export const revocationReasonProblem = (reason: unknown): Problem => oneOfProblem(reason, REVOCATION_REASONS);

/** A grace period has no meaning where tokens are refused at once. */
export const graceOfModeProblem = (seconds: unknown, mode: unknown): Problem =>
  mode === 'immediate' ? 'must not be given in mode immediate' : graceProblem(seconds);

/** Of a session or an attempt. */
export const idProblem = (id: unknown): Problem => (isUuid(id) ? null : 'must be a UUID');

const MAX_USER_ID = 128;

/** Any text as the directory spells it: a number, a cuid, an ObjectId, a UUID in either case. */
export const userIdProblem = (id: unknown): Problem =>
  controlProblem(id) ??
  ((id as string).length >= 1 && (id as string).length <= MAX_USER_ID
    ? null
    : `must have 1 to ${MAX_USER_ID} characters`);

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

/** @throws InvalidInput naming the first field with a problem */
export function demand(problems: Readonly<Record<string, Problem>>): void {
  for (const [path, problem] of Object.entries(problems)) if (problem !== null) throw new InvalidInput(path, problem);
}
