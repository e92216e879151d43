import type { Announced } from '../guard/ports/revocation.feed';
import { CUT_OFF_MODES, type CutOffMode, type SecurityPolicy } from '../guard/versions';

/** An answer of the feed, checked. */
export interface FeedAnswer {
  readonly cursor: string;
  /** Null for changes. */
  readonly snapshot: { readonly page: number; readonly pages: number } | null;
  readonly policy: SecurityPolicy;
  readonly accessTokenTtlSeconds: number;
  readonly nowMs: number;
  readonly revocations: readonly Announced[];
}

type Fields = Readonly<Record<string, unknown>>;

const MAX_CURSOR = 512;
const MAX_SUBJECT = 128;
const MAX_VERSION = 2 ** 31 - 1;
const MAX_TTL = 30 * 24 * 60 * 60;
const MAX_PAGES = 100_000;
/** Sorted by nothing here: the feed has read from the database what this service only merges. */
const POSITION = 0n;
const UNKNOWN = new Date(0);

/**
 * The answer, if it is one about the tokens of `issuer`.
 * @throws Error naming the first member that is not what it must be
 */
export function feedAnswerOf(body: unknown, issuer: string): FeedAnswer {
  const { cursor, snapshot, policy, accessTokenTtl, now, revocations, ...rest } = fieldsOf(body, 'the answer');
  demand(rest.issuer === issuer, 'issuer is another one');
  demand(typeof cursor === 'string' && cursor.length >= 1 && cursor.length <= MAX_CURSOR, 'cursor');
  demand(isWhole(accessTokenTtl, 1, MAX_TTL), 'accessTokenTtl');
  demand(Array.isArray(revocations), 'revocations');
  return {
    cursor: cursor as string,
    snapshot: snapshot === null ? null : snapshotOf(snapshot),
    policy: policyOf(policy),
    accessTokenTtlSeconds: accessTokenTtl as number,
    nowMs: timeOf(now, 'now').getTime(),
    revocations: (revocations as unknown[]).map(revocationOf),
  };
}

function snapshotOf(value: unknown): { page: number; pages: number } {
  const { page, pages } = fieldsOf(value, 'snapshot');
  demand(isWhole(pages, 1, MAX_PAGES) && isWhole(page, 1, pages as number), 'snapshot');
  return { page: page as number, pages: pages as number };
}

function policyOf(value: unknown): SecurityPolicy {
  const { version, mode, graceEndsAt } = fieldsOf(value, 'policy');
  demand(isWhole(version, 1, MAX_VERSION), 'policy.version');
  demand(CUT_OFF_MODES.includes(mode as CutOffMode), 'policy.mode');
  return {
    globalMinTokenVersion: version as number,
    mode: mode as CutOffMode,
    graceEndsAt: graceEndsAt === null ? null : timeOf(graceEndsAt, 'policy.graceEndsAt'),
    // No decision about an access token needs the rest.
    gracePeriodSeconds: 0,
    lastRotationAt: null,
    lastRotationReason: null,
    createdAt: UNKNOWN,
    updatedAt: UNKNOWN,
  };
}

function revocationOf(value: unknown): Announced {
  const { kind, subject, minVersion, at } = fieldsOf(value, 'revocations');
  demand(typeof subject === 'string' && subject.length >= 1 && subject.length <= MAX_SUBJECT, 'revocations.subject');
  const announced = { announcedAt: timeOf(at, 'revocations.at'), position: POSITION };
  if (kind === 'session') return { kind, sessionId: subject as string, ...announced };
  demand(kind === 'user', 'revocations.kind');
  demand(isWhole(minVersion, 1, MAX_VERSION), 'revocations.minVersion');
  return { kind: 'user', userId: subject as string, minVersion: minVersion as number, ...announced };
}

const isWhole = (value: unknown, min: number, max: number): boolean =>
  Number.isInteger(value) && Number(value) >= min && Number(value) <= max;

function timeOf(value: unknown, what: string): Date {
  const time = new Date(typeof value === 'string' ? value : NaN);
  demand(!Number.isNaN(time.getTime()), what);
  return time;
}

function fieldsOf(value: unknown, what: string): Fields {
  demand(typeof value === 'object' && value !== null, what);
  return value as Fields;
}

function demand(holds: boolean, what: string): void {
  if (!holds) throw new Error(`not an answer of the revocation feed: ${what}`);
}
