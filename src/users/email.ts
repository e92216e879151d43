import { isEmail } from 'class-validator';
import { loginSpelling } from '../index';

/** The one spelling of an e-mail address, or null for what is none: otherwise two of one address are two accounts. */
export function normaliseEmail(written: string): string | null {
  const email = loginSpelling(written);
  return isEmail(email) ? email : null;
}
