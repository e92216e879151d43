import type { DataSource } from 'typeorm';
import { type AccessTokenKey, fingerprintOf, problemsOfDatabase, ringKeyOf, standbysOf } from './index';

/** What a check has found, for `ratchet doctor` and for the console. */
export type Finding = readonly [status: 'ok' | 'warn' | 'fail', message: string];

/** NIST SP 800-57 part 1 revision 5, 5.3.6: a key signs, or makes authentication codes, for two years at most. */
const KEY_LIFE_DAYS = 730;
const DAY_MS = 24 * 60 * 60 * 1000;
/** NIST SP 800-57 part 1 revision 5, table 4: 2048 bits are for the time until 2030. */
const RSA_BITS = 3072;

/** A ring that the configuration accepts. The age is that of the day in the id, which `keys generate` puts there. */
export function accessKeys(given: readonly AccessTokenKey[] | undefined): Finding {
  const [signing, ...others] = (given ?? []).map(ringKeyOf);
  if (signing === undefined) return ['ok', 'not configured here'];
  const ring = [signing, ...others];
  const days = Math.floor((Date.now() - Date.parse(signing.kid.slice(0, 10))) / DAY_MS);
  const age = Number.isNaN(days) ? 'of unknown age' : `${days.toLocaleString('en')} days old`;
  const found = [
    `${signing.kid} (${signing.alg}) signs, ${age}`,
    ...others.map(({ kid, alg }) => `${kid} (${alg}) verifies`),
  ];

  const warnings = days > KEY_LIFE_DAYS ? ['time for a new one'] : [];
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

/** Whether a failover would lose commits. */
export async function standbys(dataSource: DataSource): Promise<Finding> {
  const found = await standbysOf(dataSource);
  if (found === null) return ['ok', 'unknown: the role may not see them; pg_monitor may'];
  const { synchronous, asynchronous } = found;
  if (synchronous + asynchronous === 0) return ['ok', 'none'];
  const message = `${synchronous} synchronous, ${asynchronous} asynchronous`;
  return synchronous > 0
    ? ['ok', message]
    : ['warn', `${message}: a failover loses commits, see docs/operations.md#high-availability`];
}

/** What stops the start of auth, the rights of the role among it. */
export async function tables(dataSource: DataSource, schema: string): Promise<Finding> {
  const problems = await problemsOfDatabase(dataSource, schema);
  return problems.length > 0
    ? ['fail', problems.join('; ')]
    : ['ok', `complete in the schema ${schema}, and the role may use them`];
}
