import {
  type Revocation,
  RevocationFeed,
  type RevocationReading,
  type RevocationWatcher,
  type SecurityPolicy,
} from '../index';
import type { InMemoryStore } from './in-memory-store';

/** The announcements of everyone who shares the store. */
export class InMemoryRevocationFeed extends RevocationFeed {
  private readonly watchers = new Set<RevocationWatcher>();

  constructor(private readonly store: InMemoryStore) {
    super();
  }

  announce(ended: readonly Revocation[], _reason: string, policy?: SecurityPolicy): Promise<void> {
    return this.store.alone(async () => {
      if (ended.length === 0 && policy === undefined) return;
      const announcedAt = this.store.clock.now();
      const first = this.store.revocations.length;
      const announced = ended.map((one, at) => ({ ...one, announcedAt, position: BigInt(first + at) }));
      this.store.revocations = [...this.store.revocations, ...announced];
      this.store.afterCommit(() => {
        for (const watcher of this.watchers) watcher.committed(ended, policy);
      });
    });
  }

  read(horizon: bigint | null): Promise<RevocationReading> {
    return this.store.alone(async () => ({
      policy: this.store.currentPolicy(),
      revocations: this.store.revocations.slice(Number(horizon ?? 0)),
      horizon: BigInt(this.store.revocations.length),
      now: this.store.clock.now(),
      server: this.store.server,
    }));
  }

  async watch(watcher: RevocationWatcher): Promise<() => Promise<void>> {
    this.watchers.add(watcher);
    return async () => void this.watchers.delete(watcher);
  }

  /** Keeps everything: what is read from a horizon is counted from the first. */
  async purge(): Promise<number> {
    return 0;
  }
}
