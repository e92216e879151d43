/**
 * The one spelling of a login name. NFKC comes before every comparison, and once more at the end: only the lower-case
 * letter may have a composed form.
 */
export const loginSpelling = (written: string): string =>
  written.normalize('NFKC').trim().toLowerCase().normalize('NFKC');
