import type { DataSource } from 'typeorm';
import { fingerprintOf, names, ringKeyOf } from '../index';
import { numberText, timeText } from '../support/texts';
import type { Examined, Finding } from './finding';

/** NIST SP 800-57 part 1 revision 5, 5.3.6: a key signs, or makes authentication codes, for two years at most. */
export const KEY_LIFE_DAYS = 730;
const DAY_MS = 24 * 60 * 60 * 1000;
/** NIST SP 800-57 part 1 revision 5, table 4: 2048 bits are for the time until 2030. */
const RSA_BITS = 3072;

/** By the day in the id of the key, which `ratchet keys generate` puts there; null if it has none. */
export function ageInDays(kid: string, now: Date): number | null {
  const days = Math.floor((now.getTime() - Date.parse(kid.slice(0, 10))) / DAY_MS);
  return Number.isNaN(days) ? null : days;
}

/** A ring that the configuration accepts. */
export function accessKeys({ auth }: Examined): Finding {
  const [signing, ...others] = (auth.accessTokenKeys ?? []).map(ringKeyOf);
  if (signing === undefined) return ['ok', 'not configured here'];
  const ring = [signing, ...others];
  const days = ageInDays(signing.kid, new Date());
  const age = days === null ? 'of unknown age' : `${numberText(days)} days old`;
  const found = [
    `${signing.kid} (${signing.alg}) signs, ${age}`,
    ...others.map(({ kid, alg }) => `${kid} (${alg}) verifies`),
  ];

  const warnings = days !== null && days > KEY_LIFE_DAYS ? ['time for a new one'] : [];
  const seen = new Map<string, string>();
  for (const key of ring) {
    const fingerprint = fingerprintOf(key);
    const twin = seen.get(fingerprint);
    if (twin !== undefined) warnings.push(`${twin} and ${key.kid} are the same key: to remove one changes nothing`);
    else seen.set(fingerprint, key.kid);
    const { modulusLength = RSA_BITS } = key.key.asymmetricKeyDetails ?? {};
    if (modulusLength < RSA_BITS) warnings.push(`${key.kid} has ${modulusLength} bits, which are enough until 2030`);
  }
  const secrets = signing.alg === 'HS256' ? [] : others.filter(({ alg }) => alg === 'HS256');
  for (const { kid } of secrets)
    warnings.push(`${kid} is a secret, by which its holders can still sign: remove it when its tokens have expired`);
  return [warnings.length > 0 ? 'warn' : 'ok', [...found, ...warnings].join('; ')];
}

export async function refreshKeys(
  dataSource: DataSource,
  { auth: { refreshTokenKeys }, database }: Examined,
): Promise<Finding> {
  const inUse = await dataSource.query<{ id: number; sessions: number; since: Date }[]>(`
    SELECT key_id AS id, count(*)::integer AS sessions, min(COALESCE(rotated_at, created_at)) AS since
      FROM ${names(database.schema).sessions} WHERE revoked_at IS NULL AND expires_at > now() GROUP BY key_id ORDER BY key_id`);
  if (refreshTokenKeys === undefined) {
    const used = inUse.map(({ id, sessions }) => `${id} (${numberText(sessions)} live sessions)`).join(', ');
    return ['ok', `not configured here; needed are ${used || 'none'}`];
  }
  const ring = refreshTokenKeys.map(({ id }) => id);
  const useOf = (id: number): string => {
    const use = inUse.find((key) => key.id === id);
    const by = use
      ? `${numberText(use.sessions)} live sessions, since ${timeText(use.since)} or before`
      : 'no live session';
    return `${id} ${id === ring[0] ? 'issues' : 'verifies'} (${by})`;
  };
  const missing = inUse.filter(({ id }) => !ring.includes(id));
  if (missing.length === 0) return ['ok', ring.map(useOf).join('; ')];
  const lost = missing.map(({ id, sessions }) => `${id} (${numberText(sessions)} live sessions)`).join(', ');
  return ['fail', `the ring lacks ${lost}: these sessions cannot be refreshed`];
}
