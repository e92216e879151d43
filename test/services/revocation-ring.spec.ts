import fc from 'fast-check';
import { cursorOfText, type FeedCursor, textOfCursor } from '../../src/auth/application/resource-servers/feed-cursor';
import { RevocationRing } from '../../src/auth/application/resource-servers/revocation-ring';
import type { Announced } from '../../src/guard';

/** A database server as far as its snapshots go: transactions get numbers when they write, and commit in any order. */
class Server {
  private next = 1n;
  private readonly open = new Map<bigint, Announced[]>();
  readonly committed: Announced[] = [];

  constructor(readonly name: string) {}

  write(rows: number): void {
    const xid = this.next++;
    const revocations = Array.from({ length: rows }, (_, at) => ({
      kind: 'session' as const,
      sessionId: `${this.name}-${xid}-${at}`,
      announcedAt: new Date(0),
      position: xid,
    }));
    this.open.set(xid, revocations);
  }

  commit(which: number): void {
    const xids = [...this.open.keys()];
    if (xids.length === 0) return;
    const xid = xids[which % xids.length]!;
    this.committed.push(...this.open.get(xid)!);
    this.open.delete(xid);
  }

  get xmin(): bigint {
    return [...this.open.keys()].reduce((least, xid) => (xid < least ? xid : least), this.next);
  }
}

/** One that reads as the view does: from the horizon of its last reading. */
class Instance {
  readonly ring = new RevocationRing(MOST);
  private last: { server: string; horizon: bigint } | null = null;
  /** What its newest reading could see. */
  visible: readonly string[] = [];

  read(server: Server): void {
    const reading = { server: server.name, horizon: server.xmin };
    const before = this.last?.server === server.name ? this.last.horizon : reading.horizon;
    const since = before < reading.horizon ? before : reading.horizon;
    this.ring.taken(
      reading,
      server.committed.filter(({ position }) => position >= since),
    );
    this.last = reading;
    this.visible = server.committed.map(subjectOf);
  }
}

const MOST = 30;
const subjectOf = (one: Announced): string => (one.kind === 'session' ? one.sessionId : one.userId);

/** What a poll of the instance brings the reader: the snapshot is all that the instance has. */
function asked({ ring, visible }: Instance, cursor: FeedCursor | null, known: Set<string>): FeedCursor | null {
  const place = ring.place();
  if (place === null) return cursor;
  if (cursor === null || !ring.covers(cursor)) {
    for (const subject of visible) known.add(subject);
    return { ...place, policyVersion: 1 };
  }
  for (const one of ring.news(cursor)) known.add(subjectOf(one));
  return { ...ring.placeAfter(cursor), policyVersion: 1 };
}

describe('The ring of readings', () => {
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('write' as const), rows: fc.integer({ min: 1, max: 4 }) }) },
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('commit' as const), which: fc.nat(20) }) },
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('read' as const), at: fc.nat(2) }) },
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('poll' as const), at: fc.nat(2) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('fail over' as const) }) },
  );
  // Most of the faults need a dozen steps: by default the arrays are short.
  const steps = fc.array(step, { maxLength: 120, size: 'max' });

  // Seen red with a count of all rows, with the horizon alone, and without the server.
  it('leaves no reader without what the instance that answered it had read, whatever commits when', () => {
    fc.assert(
      fc.property(steps, (played) => {
        const servers = [new Server('a')];
        const instances = [new Instance(), new Instance(), new Instance()];
        const known = new Set<string>();
        let cursor: FeedCursor | null = null;
        for (const one of played) {
          const server = servers.at(-1)!;
          if (one.kind === 'write') server.write(one.rows);
          else if (one.kind === 'commit') server.commit(one.which);
          else if (one.kind === 'read') instances[one.at]!.read(server);
          else if (one.kind === 'fail over') servers.push(new Server(String.fromCharCode(97 + servers.length)));
          else {
            const instance = instances[one.at]!;
            cursor = asked(instance, cursor, known);
            const due = instance.ring.place() === null ? [] : instance.visible;
            expect(due.filter((subject) => !known.has(subject))).toEqual([]);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('covers no place of another server, and continues from the place of the reader', () => {
    const [server, other] = [new Server('a'), new Server('b')];
    const [instance, elsewhere] = [new Instance(), new Instance()];
    instance.read(server);
    const place = { ...instance.ring.place()!, policyVersion: 1 };
    server.write(2);
    server.commit(0);
    instance.read(server);
    elsewhere.read(other);
    expect(instance.ring.covers(place)).toBe(true);
    expect(elsewhere.ring.covers(place)).toBe(false);
    expect(instance.ring.place()!.horizon).toBeGreaterThan(place.horizon);
    expect(instance.ring.news(place)).toHaveLength(2);
  });

  it('holds no more than it was given room for', () => {
    const server = new Server('a');
    const instance = new Instance();
    instance.read(server);
    server.write(1); // stays open, so that no horizon passes it
    const before = { ...instance.ring.place()!, policyVersion: 1 };
    for (let at = 0; at < 50; at++) {
      server.write(2);
      server.commit(1);
      instance.read(server);
      expect(instance.ring.news(before).length).toBeLessThanOrEqual(MOST);
    }
    expect(instance.ring.covers(before)).toBe(false);
  });
});

describe('A cursor', () => {
  it('is read as it was written, whatever a server is called', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.nat(50_000),
        fc.integer({ min: 1, max: 2 ** 31 - 1 }),
        fc.option(fc.integer({ min: 2, max: 1000 }), { nil: undefined }),
        (server, horizon, known, policyVersion, of) => {
          const page = of === undefined ? {} : { page: { next: of, of } };
          const cursor = { server: server.toWellFormed(), horizon, known, policyVersion, ...page };
          expect(cursorOfText(textOfCursor(cursor))).toEqual(cursor);
        },
      ),
    );
  });
});
