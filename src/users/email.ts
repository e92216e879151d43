import { loginSpelling } from '../index';

/** The one spelling of an e-mail address, or null for what is none: otherwise two of one address are two accounts. */
export function normaliseEmail(written: string): string | null {
  const email = loginSpelling(written);
  // Late: 70 ms of a start.
  const { isEmail } = require('class-validator') as typeof import('class-validator');
  return isEmail(email) ? email : null;
}
