import {
  type Revocation,
  RevocationFeed,
  type RevocationReading,
  type RevocationWatcher,
  type SecurityPolicy,
} from 'nest-ratchet';
import type { Maps } from './maps.js';
import { policyIn } from './policies.js';

/** Longer than any access token lives, with time for a slow sign-in. */
const KEPT_MS = 24 * 60 * 60 * 1000;

export class MapRevocationFeed extends RevocationFeed {
  private readonly watchers = new Set<RevocationWatcher>();
  /** The number of the next announcement. That of one that was undone is never used again. */
  private announced = 0n;

  constructor(private readonly maps: Maps) {
    super();
  }

  announce(ended: readonly Revocation[], _reason: string, policy?: SecurityPolicy): Promise<void> {
    return this.maps.run(async () => {
      if (ended.length === 0 && policy === undefined) return;
      const announcedAt = new Date();
      for (const one of ended)
        this.maps.write(this.maps.revocations, this.announced, { ...one, announcedAt, position: this.announced++ });
      this.maps.afterCommit(() => {
        for (const watcher of this.watchers) watcher.committed(ended, policy);
      });
    });
  }

  read(horizon: bigint | null): Promise<RevocationReading> {
    return this.maps.run(async () => ({
      policy: policyIn(this.maps),
      revocations: [...this.maps.revocations].filter(([number]) => number >= (horizon ?? 0n)).map(([, one]) => one),
      horizon: this.announced,
      now: new Date(),
      server: 'this process',
    }));
  }

  async watch(watcher: RevocationWatcher): Promise<() => Promise<void>> {
    this.watchers.add(watcher);
    return async () => void this.watchers.delete(watcher);
  }

  purge(dryRun: boolean): Promise<number> {
    return this.maps.run(async () => {
      const since = Date.now() - KEPT_MS;
      const old = [...this.maps.revocations].filter(([, { announcedAt }]) => announcedAt.getTime() < since);
      if (!dryRun) for (const [number] of old) this.maps.write(this.maps.revocations, number, undefined);
      return old.length;
    });
  }
}
