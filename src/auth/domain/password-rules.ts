import { COMMON_PASSWORDS } from './common-passwords';
import { controlProblem } from './input-rules';

const MIN_CHARACTERS = 8;
const MAX_CHARACTERS = 64;
/** How many bytes bcrypt reads. It ignores the rest, so the beginning of a longer password would match, too. */
const MAX_BYTES = 72;

/** The one spelling of a password: NFKC, so that every keyboard's way to type it is the same password (NIST SP 800-63B-4). */
export const normalisePassword = (password: string): string => password.normalize('NFKC');

/** Whether bcrypt reads the whole of a normalised password. */
export const fitsHash = (normalised: string): boolean => Buffer.byteLength(normalised) <= MAX_BYTES;

/** The rule that a new password breaks, as words to follow the field's name, or null (ASVS 5.0 6.2.1, 6.2.4, 6.2.9). */
export function passwordProblem(password: string): string | null {
  const problem = controlProblem(password);
  if (problem !== null) return problem;
  const normalised = normalisePassword(password);
  const characters = Array.from(normalised).length;
  if (characters < MIN_CHARACTERS) return `must have at least ${MIN_CHARACTERS} characters`;
  if (characters > MAX_CHARACTERS) return `must have at most ${MAX_CHARACTERS} characters`;
  if (!fitsHash(normalised))
    return `must have at most ${MAX_BYTES} bytes in UTF-8; only the first ${MAX_BYTES} would count`;
  if (COMMON_PASSWORDS.has(normalised.toLowerCase())) return 'is one of the most common passwords';
  return null;
}
