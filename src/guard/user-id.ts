const CONTROL = /\p{Cc}/u;
const MAX_USER_ID = 128;

/**
 * Without control characters (U+0000 to U+001F, U+007F to U+009F) and lone surrogates: PostgreSQL refuses the first of them,
 * and logs and terminals obey the others. The words follow the field's name; null if there is no problem.
 * @internal
 */
export const controlProblem = (value: unknown): string | null =>
  typeof value === 'string' && value.isWellFormed() && !CONTROL.test(value)
    ? null
    : 'must be a string without control characters';

/** Any text as the directory spells it: a number, a cuid, an ObjectId, a UUID in either case. @internal */
export const userIdProblem = (id: unknown): string | null =>
  controlProblem(id) ??
  ((id as string).length >= 1 && (id as string).length <= MAX_USER_ID
    ? null
    : `must have 1 to ${MAX_USER_ID} characters`);
