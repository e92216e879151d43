import { isEmail } from 'class-validator';

/**
 * The one spelling of an e-mail address, or null for what is none. NFKC comes before every comparison: otherwise two
 * spellings of one address are two accounts.
 */
export function normaliseEmail(written: string): string | null {
  const email = written.normalize('NFKC').trim().toLowerCase().normalize('NFKC');
  return isEmail(email) ? email : null;
}
