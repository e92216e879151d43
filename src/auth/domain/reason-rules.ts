const MAX_CHARACTERS = 500;

/** Why a text cannot be the reason of a rotation, which the audit trail keeps, as words that follow its name; or null. */
export function reasonProblem(reason: unknown): string | null {
  // PostgreSQL refuses U+0000, and logs and terminals obey the others.
  if (typeof reason !== 'string' || !reason.isWellFormed() || /\p{Cc}/u.test(reason))
    return 'must be a string without control characters';
  if (!/\S/.test(reason)) return 'must not be empty';
  return reason.length > MAX_CHARACTERS ? `must have at most ${MAX_CHARACTERS} characters` : null;
}
