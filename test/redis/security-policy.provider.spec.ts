import { Logger } from '@nestjs/common';
import { type AuthOptions, type SecurityPolicy, SecurityPolicyCache } from '../../src/auth';
import { SecurityPolicyProvider } from '../../src/auth/application/security-policy.provider';
import { InProcessSecurityPolicyCache } from '../../src/auth/infrastructure/defaults/in-process-security-policy.cache';
import { NoMetrics } from '../../src/auth/infrastructure/defaults/no-metrics';
import { InMemoryRevocationFeed, InMemorySecurityPolicyRepository, InMemoryStore } from '../../src/testing';
import {
  type ConnectedCache,
  connectedCache,
  describeWithRedis,
  type RedisServer,
  startRedis,
} from '../support/redis/redis-server';

const options = { securityCacheTtlSeconds: 60 } as AuthOptions;
const ROUNDS = 1000;

function countingMetrics() {
  const counted = { hit: 0, miss: 0, error: 0 };
  const securityCache = (event: 'hit' | 'miss' | 'error'): void => {
    counted[event]++;
  };
  return Object.assign(new NoMetrics(), { counted, securityCache });
}

/** The database, of which a reader can be parked between what it read and what it does with it. */
class ParkingRepository extends InMemorySecurityPolicyRepository {
  private parking: { readonly arrived: () => void; readonly left: Promise<void> } | null = null;

  /** Parks the next reader: resolves once it has read, with the function that lets it go on. */
  park(): Promise<() => void> {
    return new Promise((arrived) => {
      let leave: () => void = () => undefined;
      const left = new Promise<void>((resolve) => (leave = resolve));
      this.parking = { arrived: () => arrived(leave), left };
    });
  }

  override async read(): ReturnType<InMemorySecurityPolicyRepository['read']> {
    const reading = await super.read();
    const { parking } = this;
    this.parking = null;
    parking?.arrived();
    await parking?.left;
    return reading;
  }
}

/** Another cache, whose writes can be waited for: no answer waits for them. */
class WatchedCache extends SecurityPolicyCache {
  private writes: Promise<unknown> = Promise.resolve();

  constructor(private readonly cache: SecurityPolicyCache) {
    super();
  }

  get = () => this.cache.get();
  put = (policy: SecurityPolicy) => this.watched(this.cache.put(policy));
  drop = (policy: SecurityPolicy) => this.watched(this.cache.drop(policy));
  written = () => this.writes;

  private watched(write: Promise<void>): Promise<void> {
    this.writes = this.writes.then(() => write);
    return write;
  }
}

const database = () => {
  const store = new InMemoryStore();
  const repository = new ParkingRepository(store, new InMemoryRevocationFeed(store));
  const rotate = async (): Promise<SecurityPolicy> =>
    (await repository.raiseGlobalFloor({
      mode: 'immediate',
      gracePeriodSeconds: null,
      reason: 'test',
      expectedVersion: null,
      by: 1,
    }))!;
  return { store, repository, rotate };
};

const inProcess = () => new WatchedCache(new InProcessSecurityPolicyCache(options));

beforeAll(() => Logger.overrideLogger(false));
afterAll(() => Logger.overrideLogger(['warn', 'error']));

describe('the security policy, cache first', () => {
  it('reads the database once, and then the cache', async () => {
    const { repository } = database();
    const metrics = countingMetrics();
    const policies = new SecurityPolicyProvider(repository, inProcess(), metrics);
    for (let i = 0; i < 5; i++) expect((await policies.current()).globalMinTokenVersion).toBe(1);
    expect(metrics.counted).toEqual({ hit: 4, miss: 1, error: 0 });
  });

  it('never answers what is older than what this process knows, of the same version neither', async () => {
    const { store, repository } = database();
    const policies = new SecurityPolicyProvider(repository, inProcess(), new NoMetrics());
    await policies.current();
    store.clock.advance(1);
    const { policy } = await repository.setGracePeriod(600);
    policies.seen(policy); // as the view does after the commit
    expect((await policies.current()).gracePeriodSeconds).toBe(600);
  });

  // Seen red when a cached policy is believed without holding it against the database's.
  it.each(['older', 'higher', 'other'])('does not believe a cache that holds the %s version', async (kind) => {
    const { repository, rotate } = database();
    const cache = inProcess();
    const metrics = countingMetrics();
    const first = (await repository.read()).policy;
    const policy = await rotate();
    const planted = {
      older: first,
      higher: { ...policy, globalMinTokenVersion: 99 },
      other: { ...policy, mode: 'drain' as const, graceEndsAt: new Date(8.64e15), updatedAt: new Date(8.64e15) },
    }[kind]!;
    await cache.put(planted);
    const policies = new SecurityPolicyProvider(repository, cache, metrics);
    policies.seen(policy);

    expect(await policies.current()).toEqual(policy);
    await cache.written();
    expect(await cache.get()).toEqual(policy);
    expect(metrics.counted).toEqual({ hit: 0, miss: 1, error: 0 });
  });

  it('answers what it knows, also when the cache holds something else of that version and time', async () => {
    const { repository, rotate } = database();
    const cache = inProcess();
    const policy = await rotate();
    await cache.put({ ...policy, mode: 'drain', graceEndsAt: new Date(8.64e15) });
    const policies = new SecurityPolicyProvider(repository, cache, new NoMetrics());
    policies.seen(policy);
    expect(await policies.current()).toEqual(policy);
  });

  // Seen red when an error of the cache is taken for an answer, or thrown on.
  it('reads the database when the cache fails, and counts that', async () => {
    const { repository, rotate } = database();
    const policy = await rotate();
    class Broken extends SecurityPolicyCache {
      get = () => Promise.reject(new Error('out of order'));
      put = () => Promise.reject(new Error('out of order'));
      drop = () => Promise.reject(new Error('out of order'));
    }
    const metrics = countingMetrics();
    const policies = new SecurityPolicyProvider(repository, new Broken(), metrics);
    expect(await policies.current()).toEqual(policy);
    expect(await policies.current()).toEqual(policy);
    expect(metrics.counted).toMatchObject({ hit: 0, miss: 2 });
    expect(metrics.counted.error).toBeGreaterThanOrEqual(2);
  });

  it('lets no answer wait until the cache is filled: reading it has taken its 50 ms already', async () => {
    const { repository, rotate } = database();
    const policy = await rotate();
    class Stuck extends SecurityPolicyCache {
      get = () => Promise.resolve(null);
      put = () => new Promise<never>(() => undefined);
      drop = () => new Promise<never>(() => undefined);
    }
    const policies = new SecurityPolicyProvider(repository, new Stuck(), new NoMetrics());
    expect(await policies.current()).toEqual(policy);
  });

  // Seen red when a reader answers what it has read instead of what is known by now.
  it(`keeps the new version when a reader is parked while a rotation commits, in process, ${ROUNDS} times`, async () => {
    const { repository, rotate } = database();
    const cache = inProcess();
    const policies = new SecurityPolicyProvider(repository, cache, new NoMetrics());
    for (let round = 0; round < ROUNDS; round++) {
      const arrived = repository.park();
      const parked = policies.current(); // a miss: the version of the last round is known to be over
      const leave = await arrived;
      const next = policies.seen(await rotate());
      leave();
      expect((await parked).globalMinTokenVersion).toBe(next.globalMinTokenVersion);
      await cache.written();
      expect((await cache.get())?.globalMinTokenVersion).toBe(next.globalMinTokenVersion);
      expect((await policies.current()).globalMinTokenVersion).toBe(next.globalMinTokenVersion);
      await cache.drop(next);
    }
  });
});

describe('the security policy in process', () => {
  const policyOf = async (versions: number) => {
    const { repository, rotate } = database();
    for (let i = 1; i < versions; i++) await rotate();
    return (await repository.read()).policy;
  };

  it('is set only when it is newer, and goes when the database does not know it', async () => {
    const cache = inProcess();
    const [older, newer] = [await policyOf(2), await policyOf(3)];
    await cache.put(newer);
    await cache.put(older);
    expect(await cache.get()).toBe(newer);
    await cache.drop(older);
    expect(await cache.get()).toBe(newer);
    await cache.drop(newer);
    expect(await cache.get()).toBeNull();
  });

  it('is kept for its lifetime, and no longer', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
    const cache = inProcess();
    const policy = await policyOf(1);
    await cache.put(policy);
    jest.advanceTimersByTime(59_999);
    expect(await cache.get()).toBe(policy);
    jest.advanceTimersByTime(1);
    expect(await cache.get()).toBeNull();
    jest.useRealTimers();
  });
});

describeWithRedis('the security policy of several processes, Redis between them', () => {
  let server: RedisServer;
  const open: ConnectedCache[] = [];
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(async () => {
    for (const cache of open) cache.close();
    await server.stop();
  });

  async function connected(firstLevelSeconds: number): Promise<ConnectedCache> {
    const firstLevel = new InProcessSecurityPolicyCache({ securityCacheTtlSeconds: firstLevelSeconds } as AuthOptions);
    const cache = await connectedCache(firstLevel, server.url);
    open.push(cache);
    return cache;
  }

  /** A process of its own: its provider, its own first level, its own connection. */
  async function process(repository: ParkingRepository) {
    const cache = new WatchedCache(await connected(60));
    return { cache, policies: new SecurityPolicyProvider(repository, cache, new NoMetrics()) };
  }

  // Seen red when the script sets what is older.
  it(`keeps the new version when a reader is parked while another process rotates, ${ROUNDS} times`, async () => {
    const { repository, rotate } = database();
    const reader = await process(repository);
    const rotator = await process(repository);
    const redis = await connected(0); // without a first level that remembers: what it answers is what Redis holds
    for (let round = 0; round < ROUNDS; round++) {
      const arrived = repository.park();
      const parked = reader.policies.current();
      const leave = await arrived;
      const next = rotator.policies.seen(await rotate());
      await rotator.policies.current();
      await rotator.cache.written();
      leave();
      expect((await parked).globalMinTokenVersion).toBe(next.globalMinTokenVersion - 1); // true when it was read
      await reader.cache.written();

      expect((await redis.get())?.globalMinTokenVersion).toBe(next.globalMinTokenVersion);
      reader.policies.seen(next); // its view's next reading
      expect((await reader.policies.current()).globalMinTokenVersion).toBe(next.globalMinTokenVersion);
      await reader.cache.written();
      expect((await rotator.policies.current()).globalMinTokenVersion).toBe(next.globalMinTokenVersion);
      await reader.cache.drop(next);
    }
  });
});
