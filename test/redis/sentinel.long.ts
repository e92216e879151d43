import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { createClient } from 'redis';
import type { AuthOptions, LimitName, RateLimits } from '../../src';
import { NoMetrics } from '../../src/auth/infrastructure/defaults/no-metrics';
import { FlexibleRateLimits } from '../../src/auth/infrastructure/limits/flexible-rate-limits';
import { openRedis, RedisConnection } from '../../src/auth/infrastructure/redis/redis-connection';
import { LIMIT_NAMES } from '../../src/auth/options/auth.options';
import { startTestApplication } from '../support/app/test-application';
import { freePort } from '../support/free-port';
import { describeWithRedis, type RedisServer, startRedis, startSentinel } from '../support/redis/redis-server';
import { until } from '../support/until';

const LIMITS: AuthOptions['limits'] = {
  ...(Object.fromEntries(LIMIT_NAMES.map((name) => [name, null])) as Record<LimitName, null>),
  loginPerAccount: { points: 1000, seconds: 900 },
};

class CountingMetrics extends NoMetrics {
  fallbacks = 0;
  override limiterFellBack(): void {
    this.fallbacks++;
  }
}

describeWithRedis('the master that sentinels name', () => {
  let servers: [RedisServer, RedisServer];
  let sentinels: string[];
  const closers: (() => unknown)[] = [];
  beforeAll(() => Logger.overrideLogger(false));
  afterAll(() => Logger.overrideLogger(['warn', 'error']));

  beforeEach(async () => {
    const master = await startRedis('repl-diskless-sync-delay 0');
    const replica = await startRedis(`replicaof 127.0.0.1 ${master.port}`);
    servers = [master, replica];
    closers.push(...servers.map(({ stop }) => stop));
    const watching: RedisServer[] = [];
    for (let at = 0; at < 3; at++) watching.push(await startSentinel(master.port));
    closers.push(...watching.map(({ stop }) => stop));
    await until(async () => {
      const knows = await Promise.all(watching.map(({ url }) => knownTo(url)));
      return knows.every(({ replicas, others }) => replicas === 1 && others === 2);
    });
    // The first of the list is not there.
    sentinels = [`127.0.0.1:${await freePort()}`, ...watching.map(({ port }) => `127.0.0.1:${port}`)];
  }, 60_000);
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  /** What a sentinel has learned of the others; they are found by the messages in the master. */
  async function knownTo(url: string): Promise<{ replicas: number; others: number }> {
    const fields = (await ask(url, ['SENTINEL', 'MASTER', 'main'])) as Record<string, string> | string[];
    const value = (name: string) => Number(Array.isArray(fields) ? fields[fields.indexOf(name) + 1] : fields[name]);
    return { replicas: value('num-slaves'), others: value('num-other-sentinels') };
  }

  async function ask(url: string, command: string[]): Promise<unknown> {
    const client = createClient({ url });
    client.on('error', () => undefined); // reported by the awaited call
    await client.connect();
    try {
      return await client.sendCommand(command);
    } finally {
      client.destroy();
    }
  }

  const instance = async () => {
    const connection = new RedisConnection({ prefix: 'ratchet:', sentinels, master: 'main' });
    connection.onModuleInit();
    closers.push(() => connection.onApplicationShutdown());
    await until(() =>
      connection.demandMaster().then(
        () => true,
        () => false,
      ),
    );
    const metrics = new CountingMetrics();
    return { metrics, limits: new FlexibleRateLimits(LIMITS, connection, metrics, 10_000) };
  };

  // Seen red when the address is kept that was found at the start.
  it('counts for all instances, and after a failover so does its successor; what nobody counted in between was counted by each, and shown', async () => {
    const [one, other] = [await instance(), await instance()];
    const key = randomUUID();
    const countOn = ({ url }: RedisServer) => ask(url, ['GET', `ratchet:limit:loginPerAccount:${key}`]);
    const take = ({ limits }: { limits: RateLimits }) => limits.take('loginPerAccount', key);
    for (const each of [one, other, one]) await take(each);
    expect(await countOn(servers[0])).toBe('3');
    expect([one.metrics.fallbacks, other.metrics.fallbacks]).toEqual([0, 0]);

    await servers[0].stop();
    closers.splice(closers.indexOf(servers[0].stop), 1);
    await take(one);
    expect(one.metrics.fallbacks).toBe(1);
    // A promotion cuts off every client, the one that asks among them.
    await until(() =>
      ask(servers[1].url, ['ROLE']).then(
        (role) => (role as string[])[0] === 'master',
        () => false,
      ),
    );
    for (const each of [one, other])
      await until(async () => {
        const before = each.metrics.fallbacks;
        await take(each);
        return each.metrics.fallbacks === before;
      });

    const before = Number(await countOn(servers[1]));
    for (const each of [one, other]) await take(each);
    expect(Number(await countOn(servers[1]))).toBe(before + 2);
  }, 60_000);

  it('is not found under another name, nor without a sentinel that answers, and the error says which were asked', async () => {
    await expect(openRedis({ prefix: 'r:', sentinels, master: 'other' })).rejects.toThrow(
      /^no sentinel names a master \(.*it knows no master other/,
    );
    await expect(openRedis({ prefix: 'r:', sentinels: sentinels.slice(0, 1), master: 'main' })).rejects.toThrow(
      new RegExp(`^no sentinel names a master \\(${sentinels[0]}: .*ECONNREFUSED`),
    );
  });

  it('is that of an application by REDIS_SENTINELS and REDIS_MASTER, which shows what Redis did not count', async () => {
    const application = await startTestApplication({
      env: { REDIS_SENTINELS: sentinels.join(), REDIS_MASTER: 'main', LIMIT_LOGIN_PER_ACCOUNT: '1000/15m' },
    });
    closers.push(() => application.close());
    const redis = async () => (await application.get('/health/ready')).body.details.redis.status;
    await until(async () => (await redis()) === 'up');
    for (const { stop } of servers.toReversed()) {
      closers.splice(closers.indexOf(stop), 1);
      await stop();
    }
    await until(async () => (await redis()) === 'degraded');
    expect((await application.logIn()).status).toBe(200);
    const { body } = await application.get('/metrics');
    expect(Number(/^ratchet_limiter_fallbacks_total (\d+)$/m.exec(body)?.[1])).toBeGreaterThan(0);
  });
});
