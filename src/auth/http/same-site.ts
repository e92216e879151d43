import type { AuthOptions } from '../options/auth.options';

const SAME_SITE = { strict: 'SameSite=Strict', lax: 'SameSite=Lax', none: 'SameSite=None; Partitioned' };

/** The same for all cookies of a session. */
export const sameSiteOf = ({ cookieSameSite }: Pick<AuthOptions, 'cookieSameSite'>): string =>
  SAME_SITE[cookieSameSite];
