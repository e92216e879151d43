/**
 * The normalised spelling of a login name. NFKC runs first, and again at the end, because some letters have a composed form
 * only in lower case.
 */
export const loginSpelling = (written: string): string =>
  written.normalize('NFKC').trim().toLowerCase().normalize('NFKC');
