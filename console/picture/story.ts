import type { AuditEvent } from '../answers';

/* The history of a session as beads on a string, before anything is drawn. */

export interface Where {
  readonly address: string | null;
  readonly agent: string;
}

/** One party to a theft. */
export interface Party extends Where {
  readonly at: string;
}

interface Common {
  readonly at: string;
  /** The first event that it was read from. */
  readonly id: string;
  readonly attemptId: string | null;
}

export interface Start extends Common, Where {
  readonly kind: 'start';
  readonly method: string | null;
  readonly device: string | null;
}

export interface Replay {
  readonly at: string;
  readonly door: string;
}

export interface Bead extends Common, Where {
  readonly kind: 'bead';
  readonly generation: number;
  readonly replays: Replay[];
  readonly changed: readonly ('address' | 'device')[];
  /** Generations between this one and the one before of which nothing is known. */
  readonly missing: number;
}

/** Beads in a row at which nothing else happened. */
export interface Fold extends Common {
  readonly kind: 'fold';
  readonly beads: readonly Bead[];
}

export interface Theft extends Common {
  readonly kind: 'theft';
  /** The generation of the token that two had; null if it is not known. */
  readonly generation: number | null;
  readonly behind: number;
  readonly rotatedBy: Party | null;
  readonly presentedBy: Party;
}

export interface End extends Common {
  readonly kind: 'end';
  readonly reason: string;
  /** The administrator who ended it. */
  readonly actorId: string | null;
}

/** What else happened. */
export interface Mark extends Common, Where {
  readonly kind: 'mark';
  readonly type: string;
  readonly reason: string | null;
  readonly isFailure: boolean;
  readonly isAfterEnd: boolean;
}

export type Item = Start | Bead | Fold | Theft | End | Mark;

const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);

function partyOf(value: unknown): Party | null {
  if (typeof value !== 'object' || value === null) return null;
  const { ipAddress, userAgent, at } = value as Readonly<Record<string, unknown>>;
  return { address: text(ipAddress), agent: text(userAgent) ?? 'Unknown', at: text(at) ?? '' };
}

/** Said by another event of the same attempt. */
const SILENT = new Set(['auth.login.attempted.v1', 'auth.logout.succeeded.v1', 'auth.audit.read.v1']);
const isAttempt = ({ outcome }: AuditEvent): boolean => outcome === 'attempted';

/** Reads a history, oldest first. Events of types that it does not know become marks; nothing that is missing stops it. */
export function storyOf(sessionId: string, events: readonly AuditEvent[]): Item[] {
  const items: Item[] = [];
  const beads = new Map<number, Bead>();
  const loud = new Set<string>();
  let method: string | null = null;
  let last: Where | null = null;
  let generation: number | null = null;
  const ends: End[] = [];

  for (const event of events) {
    const { type, details, reason, attemptId } = event;
    const where = { address: event.ipAddress, agent: event.userAgent };
    const common = { at: event.occurredAt, id: event.id, attemptId };
    const mark = (isFailure = event.outcome === 'failed'): void => {
      items.push({ kind: 'mark', ...common, ...where, type, reason, isFailure, isAfterEnd: ends.length > 0 });
    };
    const end = (): void => {
      const cut: End = { kind: 'end', ...common, reason: reason ?? 'unknown', actorId: text(details.actorId) };
      items.push(cut);
      ends.push(cut);
      if (attemptId !== null) loud.add(attemptId);
    };

    if (SILENT.has(type) || isAttempt(event)) continue;
    switch (type) {
      case 'auth.login.succeeded.v1':
        method = text(details.method);
        break;
      case 'auth.session.created.v1':
        items.push({ kind: 'start', ...common, ...where, method: null, device: text(details.deviceName) });
        last = where;
        generation = event.generation ?? 0;
        break;
      case 'auth.token_refresh.succeeded.v1': {
        const made: number = event.generation ?? (generation ?? 0) + 1;
        const known = beads.get(made);
        if (details.replayed === true) {
          if (known === undefined) mark();
          else known.replays.push({ at: event.occurredAt, door: text(details.door) ?? 'window' });
          break;
        }
        const changed: ('address' | 'device')[] = [];
        if (last !== null && last.address !== where.address) changed.push('address');
        if (last !== null && (last.agent !== where.agent || details.changedDevice !== undefined))
          changed.push('device');
        const missing = generation === null ? 0 : Math.max(0, made - generation - 1);
        const bead: Bead = { kind: 'bead', ...common, ...where, generation: made, replays: [], changed, missing };
        beads.set(made, bead);
        items.push(bead);
        last = where;
        generation = made;
        break;
      }
      case 'auth.token_refresh.failed.v1':
        // The theft, or the end, is what the same attempt has already said.
        if (attemptId === null || !loud.has(attemptId)) mark();
        break;
      case 'auth.token.reuse_detected.v1':
        items.push({
          kind: 'theft',
          ...common,
          generation: event.generation,
          behind: Number(details.generationsBehind ?? 0),
          rotatedBy: partyOf(details.rotatedBy),
          presentedBy: partyOf(details.presentedBy) ?? { ...where, at: event.occurredAt },
        });
        if (attemptId !== null) loud.add(attemptId);
        break;
      case 'auth.session.revoked.v1':
      case 'auth.session.evicted.v1':
        end();
        break;
      case 'auth.sessions.all_revoked.v1':
        if (details.exceptSessionId === sessionId || ends.length > 0) mark();
        else end();
        break;
      default:
        mark();
    }
  }
  // The log-in succeeds after its session was created.
  return items.map((item) => (item.kind === 'start' ? { ...item, method } : item));
}

const isPlain = (item: Item): item is Bead =>
  item.kind === 'bead' && item.replays.length === 0 && item.changed.length === 0 && item.missing === 0;

/** Folds each row of more than `most` beads at which nothing else happened, except its ends. */
export function folded(items: readonly Item[], most: number, isOpen: (fold: Fold) => boolean): Item[] {
  const result: Item[] = [];
  let row: Bead[] = [];
  const close = (): void => {
    const [first] = row.slice(1, -1);
    if (row.length > most && first !== undefined) {
      const { at, id, attemptId } = first;
      const fold: Fold = { kind: 'fold', at, id, attemptId, beads: row.slice(1, -1) };
      result.push(...row.slice(0, 1), ...(isOpen(fold) ? fold.beads : [fold]), ...row.slice(-1));
    } else {
      result.push(...row);
    }
    row = [];
  };
  for (const item of items) {
    if (isPlain(item)) {
      row.push(item);
      continue;
    }
    close();
    result.push(item);
  }
  close();
  return result;
}
