import { inTime } from '../../domain/in-time';
import { isNewer, ROTATION_MODES, type RotationMode, type SecurityPolicy } from '../../domain/versions';
import { SecurityPolicyCache } from '../../ports/security-policy.cache';
import type { InProcessSecurityPolicyCache } from '../defaults/in-process-security-policy.cache';
import { PATIENCE_MS, type RedisConnection } from './redis-connection';

const SCHEMA = 1;

/** Keeps what is there when it is of this schema and newer: (version, time of change) in that order. */
const PUT_IF_NEWER = `
local kept = redis.pcall('GET', KEYS[1])
if type(kept) == 'string' then
  local ok, old = pcall(cjson.decode, kept)
  if ok and type(old) == 'table' and old.schema == ${SCHEMA} and type(old.version) == 'number' and type(old.changed) == 'number' then
    local version, changed = tonumber(ARGV[2]), tonumber(ARGV[3])
    if old.version > version or (old.version == version and old.changed > changed) then return 0 end
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[4])
return 1`;

const DROP_IF_SAME = `
if redis.pcall('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`;

/** Keeps the policy in this process first and in Redis second, for all instances. */
export class RedisSecurityPolicyCache extends SecurityPolicyCache {
  private readonly key: string;

  constructor(
    private readonly local: InProcessSecurityPolicyCache,
    private readonly redis: RedisConnection,
    private readonly ttlSeconds: number,
    private readonly patienceMs = PATIENCE_MS,
  ) {
    super();
    this.key = `${redis.prefix}security:global_version`;
  }

  async get(): Promise<SecurityPolicy | null> {
    const local = await this.local.get();
    if (local !== null) return local;
    const kept = await this.kept();
    if (kept === null) return null;
    try {
      return read(kept);
    } catch (error) {
      // It may claim to be newer than whatever is put. Not waited for: the time for an answer is used up.
      this.run(DROP_IF_SAME, [kept]).catch(() => undefined);
      throw error;
    }
  }

  async put(policy: SecurityPolicy): Promise<void> {
    await this.local.put(policy);
    const version = String(policy.globalMinTokenVersion);
    const changed = String(policy.updatedAt.getTime());
    await this.run(PUT_IF_NEWER, [write(policy), version, changed, String(this.ttlSeconds)]);
  }

  async drop(policy: SecurityPolicy): Promise<void> {
    await this.local.drop(policy);
    const kept = await this.kept();
    if (kept !== null && isSame(read(kept), policy)) await this.run(DROP_IF_SAME, [kept]);
  }

  private kept(): Promise<string | null> {
    return inTime(this.redis.client.get(this.key), this.patienceMs);
  }

  private async run(script: string, values: string[]): Promise<void> {
    await inTime(this.redis.client.eval(script, { keys: [this.key], arguments: values }), this.patienceMs);
  }
}

const isSame = (one: SecurityPolicy, other: SecurityPolicy): boolean => !isNewer(one, other) && !isNewer(other, one);

const write = ({ globalMinTokenVersion: version, updatedAt, ...rest }: SecurityPolicy): string =>
  JSON.stringify({ schema: SCHEMA, version, changed: updatedAt.getTime(), ...rest });

/** @throws for what {@link write} has not written, without quoting it */
function read(kept: string): SecurityPolicy {
  const value = parse(kept);
  if (value?.schema !== SCHEMA) throw new Error('the kept policy is of another schema');
  const { version, changed, mode, gracePeriodSeconds, lastRotationReason } = value;
  const known = ROTATION_MODES.includes(mode as RotationMode);
  if (!known || !isCount(version) || !isCount(changed) || !isCount(gracePeriodSeconds))
    throw new Error('the kept policy is damaged');
  return {
    globalMinTokenVersion: version,
    mode: mode as RotationMode,
    graceEndsAt: dateOf(value.graceEndsAt),
    gracePeriodSeconds,
    lastRotationAt: dateOf(value.lastRotationAt),
    lastRotationReason: typeof lastRotationReason === 'string' ? lastRotationReason : null,
    createdAt: dateOf(value.createdAt) ?? new Date(changed),
    updatedAt: new Date(changed),
  };
}

function parse(kept: string): Record<string, unknown> | null {
  try {
    return JSON.parse(kept) as Record<string, unknown> | null;
  } catch {
    throw new Error('the kept policy is damaged');
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function dateOf(value: unknown): Date | null {
  if (value === null || value === undefined) return null;
  const date = new Date(value as string);
  if (Number.isNaN(date.getTime())) throw new Error('the kept policy is damaged');
  return date;
}
