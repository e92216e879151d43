import { plainTextProblem } from '../index';
import { normaliseEmail } from './email';

export const MAX_EMAIL = 320;
export const MAX_DISPLAY_NAME = 100;

/** The words that follow the field's name, or null. */
export function emailProblem(email: unknown): string | null {
  const problem = plainTextProblem(email);
  if (problem !== null) return problem;
  if ((email as string).length > MAX_EMAIL) return `must have at most ${MAX_EMAIL} characters`;
  return normaliseEmail(email as string) === null ? 'must be an e-mail address' : null;
}

/** The words that follow the field's name, or null. */
export const displayNameProblem = (name: unknown): string | null =>
  plainTextProblem(name) ??
  ((name as string).length > MAX_DISPLAY_NAME ? `must have at most ${MAX_DISPLAY_NAME} characters` : null);
