import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { RememberedProofs } from '../../src/auth/infrastructure/proofs/remembered-proofs';
import { RedisConnection } from '../../src/auth/infrastructure/redis/redis-connection';
import { describeWithRedis, type ProxiedRedis, startProxiedRedis } from '../support/redis/redis-server';
import { until } from '../support/until';

describe('the proofs that one process remembers', () => {
  it('are new once, also of two at the same time', async () => {
    const proofs = new RememberedProofs(null);
    const id = randomUUID();
    expect(await Promise.all([proofs.isNew(id), proofs.isNew(id)])).toEqual([true, false]);
    expect(await proofs.isNew(id)).toBe(false);
    expect(await proofs.isNew(randomUUID())).toBe(true);
  });
});

describeWithRedis('the proofs that instances with one Redis remember', () => {
  let server: ProxiedRedis;
  const closers: (() => unknown)[] = [];
  beforeAll(async () => {
    Logger.overrideLogger(false);
    server = await startProxiedRedis();
    closers.push(() => server.stop());
  });
  afterAll(async () => {
    for (const close of closers.reverse()) await close();
  });

  const instance = async (url = server.url, patienceMs = 10_000) => {
    const connection = new RedisConnection({ url, prefix: 'ratchet:' });
    connection.onModuleInit();
    closers.push(() => connection.onApplicationShutdown());
    await until(() =>
      connection.demandMaster().then(
        () => true,
        () => false,
      ),
    );
    return new RememberedProofs(connection, patienceMs);
  };

  // Seen red with the memory of each process alone.
  it('are new once for all, under the prefix, for a minute', async () => {
    const [one, other] = [await instance(), await instance()];
    const id = randomUUID();
    expect([await one.isNew(id), await other.isNew(id), await one.isNew(id)]).toEqual([true, false, false]);
    const ttl = await server.redis.ttl(`ratchet:proof:${id}`);
    expect(ttl).toBeGreaterThan(30);
    expect(ttl).toBeLessThanOrEqual(60);
  });

  it.each<[how: string, hurt: () => Promise<void> | void]>([
    ['refuses', () => server.proxy.refuse()],
    ['is silent', () => server.proxy.silence()],
  ])('are remembered by each for itself while it %s', async (_how, hurt) => {
    const proofs = await instance(server.proxiedUrl, 50);
    const id = randomUUID();
    await hurt();
    expect([await proofs.isNew(id), await proofs.isNew(id)]).toEqual([true, false]);
    await server.proxy.restore();
  });
});
