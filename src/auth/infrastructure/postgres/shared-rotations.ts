import DataLoader from 'dataloader';
import { wasRefused } from './sql-state';

const MAX_BATCH = 64;

/** What a rotation gives its statement. */
type Values = readonly unknown[];

interface Rotation {
  readonly sessionId: string;
  readonly values: Values;
}

/**
 * Rotations that arrive in the same turn of the event loop share one statement (ADR 19). One that arrives alone is written
 * alone. What a batch passes over goes its own way, each caller for itself.
 */
export class SharedRotations {
  /** Whether the batch rotated the session. */
  private readonly batches = new DataLoader((batch: readonly Rotation[]) => this.writeBatch(batch), {
    batchScheduleFn: (write) => setImmediate(write),
    maxBatchSize: MAX_BATCH,
    cache: false,
  });

  constructor(
    /** Writes a batch, in the order of the session ids. Resolves with the places of those that it rotated. */
    private readonly together: (batch: readonly Values[]) => Promise<ReadonlySet<number>>,
    private readonly alone: (values: Values) => Promise<boolean>,
  ) {}

  /** Resolves with whether the session was rotated. */
  async write(sessionId: string, values: Values): Promise<boolean> {
    return (await this.batches.load({ sessionId, values })) || this.alone(values);
  }

  private async writeBatch(given: readonly Rotation[]): Promise<boolean[]> {
    const firsts = new Map(given.toReversed().map((one) => [one.sessionId, one])); // a batch has a session once
    const batch = [...firsts.values()].sort((one, other) => (one.sessionId < other.sessionId ? -1 : 1));
    const places = batch.length > 1 ? await this.placesOf(batch) : new Set();
    const rotated = new Set(batch.filter((_, place) => places.has(place)));
    return given.map((one) => rotated.has(one));
  }

  private async placesOf(batch: readonly Rotation[]): Promise<ReadonlySet<number>> {
    try {
      return await this.together(batch.map(({ values }) => values));
    } catch (error) {
      if (wasRefused(error)) return new Set();
      // Whether they were rotated is unknown. Decided again, each would meet its own rotation and take it for a reuse.
      throw error;
    }
  }
}
