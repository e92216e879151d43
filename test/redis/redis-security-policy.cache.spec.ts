import { Logger } from '@nestjs/common';
import { createClient } from 'redis';
import type { AuthOptions, SecurityPolicy } from '../../src/auth';
import { SecurityPolicyProvider } from '../../src/auth/application/security-policy.provider';
import { InProcessSecurityPolicyCache } from '../../src/auth/infrastructure/defaults/in-process-security-policy.cache';
import { NoMetrics } from '../../src/auth/infrastructure/defaults/no-metrics';
import { RedisConnection } from '../../src/auth/infrastructure/redis/redis-connection';
import { InMemoryRevocationFeed, InMemorySecurityPolicyRepository, InMemoryStore } from '../../src/testing';
import { TcpProxy } from '../support/network/tcp-proxy';
import {
  cacheOn,
  type ConnectedCache,
  connectedCache,
  describeWithRedis,
  type RedisServer,
  startRedis,
  works,
} from '../support/redis/redis-server';
import { until } from '../support/until';

const KEY = 'ratchet:security:global_version';
const policy: SecurityPolicy = {
  globalMinTokenVersion: 7,
  mode: 'drain',
  graceEndsAt: new Date('2026-01-01T01:00:00.000Z'),
  gracePeriodSeconds: 300,
  lastRotationAt: new Date('2026-01-01T00:00:00.000Z'),
  lastRotationReason: 'a laptop was stolen',
  createdAt: new Date('2025-01-01T00:00:00.000Z'),
  updatedAt: new Date('2026-01-01T00:00:00.000Z'),
};
const version = (globalMinTokenVersion: number): SecurityPolicy => ({ ...policy, globalMinTokenVersion });
const changed = (at: string): SecurityPolicy => ({ ...policy, updatedAt: new Date(at) });
/** A first level that remembers nothing: every reading goes to Redis. */
const forgetful = () => new InProcessSecurityPolicyCache({ securityCacheTtlSeconds: 0 } as AuthOptions);

describeWithRedis('the security policy in Redis', () => {
  let server: RedisServer;
  let proxy: TcpProxy;
  let cache: ConnectedCache;
  let admin: ReturnType<typeof createClient>;
  const redis = () => admin;

  beforeAll(async () => {
    server = await startRedis();
    proxy = await TcpProxy.start({ host: '127.0.0.1', port: server.port });
    admin = createClient({ url: server.url });
    await admin.connect();
    Logger.overrideLogger(false);
  });
  afterAll(async () => {
    Logger.overrideLogger(['warn', 'error']);
    admin.destroy();
    await proxy.close();
    await server.stop();
  });
  beforeEach(async () => {
    await redis().flushAll();
    cache = await connectedCache(forgetful(), proxied());
  });
  afterEach(async () => {
    cache.close();
    proxy.delayMs = 0;
    await proxy.restore();
  });

  const proxied = () => `redis://127.0.0.1:${proxy.port}`;
  const kept = async () => JSON.parse((await redis().get(KEY)) ?? 'null');

  it('lies under the prefix for 60 s, with the version of its own schema, and comes back as it was', async () => {
    await cache.put(policy);
    expect(await redis().keys('*')).toEqual([KEY]);
    expect(await redis().ttl(KEY)).toBeGreaterThan(55);
    expect(await redis().ttl(KEY)).toBeLessThanOrEqual(60);
    expect(await kept()).toMatchObject({ schema: 1, version: 7 });
    expect(await cache.get()).toEqual(policy);
  });

  it('is null where nothing is kept', async () => {
    expect(await cache.get()).toBeNull();
  });

  it.each([
    ['a higher version', version(8), true],
    ['the same version, changed later', changed('2026-01-01T00:00:00.001Z'), true],
    ['the same version, changed earlier', changed('2025-12-31T23:59:59.999Z'), false],
    ['a lower version', version(6), false],
    ['a lower version, changed later', { ...version(6), updatedAt: new Date('2027-01-01') }, false],
  ])('is set only when it is newer: %s', async (_, next, isSet) => {
    await cache.put(policy);
    await cache.put(next);
    expect(await cache.get()).toEqual(isSet ? next : policy);
  });

  it('is one of two that are put at once, the newer one, in whatever order they arrive', async () => {
    await Promise.all([9, 12, 8, 11, 10].map((each) => cache.put(version(each))));
    expect(await cache.get()).toEqual(version(12));
  });

  it('goes when the database does not know it, and nothing else goes', async () => {
    await cache.put(policy);
    await cache.drop(version(6));
    await cache.drop(version(8));
    expect(await cache.get()).toEqual(policy);
    await cache.drop(policy);
    expect(await cache.get()).toBeNull();
  });

  it('is served by the first level without asking Redis', async () => {
    const first = new InProcessSecurityPolicyCache({ securityCacheTtlSeconds: 60 } as AuthOptions);
    const both = await connectedCache(first, server.url);
    await both.put(policy);
    await redis().flushAll();
    expect(await both.get()).toEqual(policy);
    both.close();
  });

  it('closes without ever having been opened', async () => {
    const unopened = await RedisConnection.to(server.url, '');
    expect(() => unopened.onApplicationShutdown()).not.toThrow();
  });

  const asKept = (changes: object) => async () => {
    await cache.put(policy);
    await redis().set(KEY, JSON.stringify({ ...(await kept()), ...changes }));
  };

  // Seen red when an error of the cache is taken for an answer, or when a kept policy is believed without the database.
  describe.each<[name: string, spoil: () => unknown, failures: boolean]>([
    ['empty after a flush', () => redis().flushAll(), false],
    ['holding garbage', () => redis().set(KEY, 'garbage'), true],
    ['holding JSON that is no policy', () => redis().set(KEY, '[null]'), true],
    ['holding nothing but null', () => redis().set(KEY, 'null'), true],
    ['holding a list', () => redis().lPush(KEY, 'a'), true],
    ['holding another schema', asKept({ schema: 2, version: 99 }), true],
    ['holding a damaged policy', asKept({ mode: 'open' }), true],
    ['holding a damaged policy of a high version', asKept({ version: 99, mode: 'open' }), true],
    ['holding a version beyond all numbers', asKept({ version: 1e300 }), true],
    ['holding a date that is none', asKept({ graceEndsAt: 'tomorrow' }), true],
    ['holding an older version', asKept({ version: 6 }), false],
    ['poisoned with a higher version', asKept({ version: 99 }), false],
    [
      'poisoned with a higher version that is written otherwise',
      asKept({ version: 99, changed: 1, more: true }),
      false,
    ],
    ['poisoned with a longer grace of the same version', asKept({ changed: 8e15, graceEndsAt: '2099-01-01' }), false],
  ])('%s', (_, spoil, failures) => {
    it('the database decides, and its policy is kept again', async () => {
      const { policies, counted, settled } = reader();
      await spoil();
      expect(await policies.current()).toEqual(policy);
      expect(counted).toEqual({ hit: 0, miss: 1, error: failures ? 1 : 0 });
      await settled();
      expect(await cache.get()).toEqual(policy);
    });
  });

  describe.each<[name: string, hurt: () => unknown, complaint: RegExp]>([
    ['refusing connections', () => proxy.refuse(), /offline|closed/i],
    ['silent, as behind a firewall', () => proxy.silence(), /no answer within 50 ms/],
    ['slow', () => (proxy.delayMs = 10_000), /no answer within 50 ms/],
  ])('%s', (_, hurt, complaint) => {
    beforeEach(async () => {
      cache.close();
      cache = await cacheOn(forgetful(), proxied()); // as patient as in the application
      await until(() => works(cache.get()));
    });

    it('Redis is given up after 50 ms, and the database decides', async () => {
      const { policies, counted } = reader();
      await hurt();
      await expect(cache.get()).rejects.toThrow(complaint);
      await expect(cache.put(policy)).rejects.toThrow(complaint);
      await expect(cache.drop(policy)).rejects.toThrow(complaint);
      expect(await policies.current()).toEqual(policy);
      expect(counted).toMatchObject({ hit: 0, miss: 1 });
      expect(counted.error).toBeGreaterThanOrEqual(1);
    });

    it('it is used again once it is back', async () => {
      await hurt();
      await expect(cache.get()).rejects.toThrow(complaint);
      proxy.delayMs = 0;
      await proxy.restore();
      await until(() => works(cache.put(policy)));
      expect(await kept()).toMatchObject({ version: 7 });
    });
  });

  it('warns of each failure, and names neither the address nor what was kept', async () => {
    const warnings: string[] = [];
    Logger.overrideLogger({
      log: () => undefined,
      error: () => undefined,
      warn: (text: string) => warnings.push(text),
    });
    const { policies } = reader();
    await redis().set(KEY, 'a secret that does not belong here');
    await policies.current();
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^The cache of the security policy failed, the database decides: /);
    expect(warnings[0]).not.toContain('secret');
    expect(warnings[0]).not.toContain(String(proxy.port));
    Logger.overrideLogger(false);
  });

  /** A process whose database holds `policy`, and that knows it. */
  function reader() {
    const store = new InMemoryStore();
    store.policy = policy;
    const counted = { hit: 0, miss: 0, error: 0 };
    const securityCache = (event: 'hit' | 'miss' | 'error'): void => {
      counted[event]++;
    };
    const repository = new InMemorySecurityPolicyRepository(store, new InMemoryRevocationFeed(store));
    const policies = new SecurityPolicyProvider(repository, cache, Object.assign(new NoMetrics(), { securityCache }));
    policies.seen(policy);
    const settled = () => until(async () => (await policies.current().then(() => counted.hit)) > 0);
    return { policies, counted, settled };
  }
});
