import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { type AuthOptions, type LimitName, Overloaded, type RateLimits, Throttled } from '../../src';
import { NoMetrics } from '../../src/auth/infrastructure/defaults/no-metrics';
import { FlexibleRateLimits } from '../../src/auth/infrastructure/limits/flexible-rate-limits';
import { RedisConnection } from '../../src/auth/infrastructure/redis/redis-connection';
import { LIMIT_NAMES } from '../../src/auth/options/auth.options';
import { startTestApplication } from '../support/app/test-application';
import { describeWithRedis, type ProxiedRedis, startProxiedRedis } from '../support/redis/redis-server';
import { until } from '../support/until';

class CountingMetrics extends NoMetrics {
  hits = 0;
  override limited(): void {
    this.hits++;
  }
}

const limitsOf = (given: Partial<AuthOptions['limits']>): AuthOptions['limits'] => ({
  ...(Object.fromEntries(LIMIT_NAMES.map((name) => [name, null])) as Record<LimitName, null>),
  ...given,
});
const LIMITS = limitsOf({ loginPerAccount: { points: 3, seconds: 900 }, loginPerIp: { points: 1, seconds: 900 } });

/** How long whoever comes now has to wait, in seconds; null for not at all. */
const waitOf = (limits: RateLimits, key: string, name: LimitName = 'loginPerAccount'): Promise<number | null> =>
  limits.take(name, key).then(
    () => null,
    (error: unknown) => {
      if (error instanceof Throttled) return error.retryAfterSeconds;
      throw error;
    },
  );

const answers = (connection: RedisConnection): Promise<boolean> =>
  connection.demandMaster().then(
    () => true,
    () => false,
  );

describe('the limits of one process', () => {
  it('count by name and by key, and forget when they are asked to', async () => {
    const limits = new FlexibleRateLimits(LIMITS, null, new NoMetrics());
    for (const _time of [1, 2, 3]) expect(await waitOf(limits, 'ann')).toBeNull();
    const wait = await waitOf(limits, 'ann');
    expect(wait).toBeGreaterThan(890);
    expect(wait).toBeLessThanOrEqual(900);
    expect(await waitOf(limits, 'bob')).toBeNull();
    expect(await waitOf(limits, 'ann', 'loginPerIp')).toBeNull();
    await limits.forget('loginPerAccount', 'ann');
    expect(await waitOf(limits, 'ann')).toBeNull();
  });

  it('let everything pass where there is none', async () => {
    const limits = new FlexibleRateLimits(limitsOf({}), null, new NoMetrics());
    for (let time = 0; time < 200; time++) expect(await waitOf(limits, 'ann')).toBeNull();
    await limits.forget('loginPerAccount', 'ann');
  });
});

describe('the limits by network', () => {
  /** A network each; the last group of a /64. */
  const network = (at: number, site = '2001:db8:7') => `${site}:${at.toString(16)}`;

  // Seen red with the /64 alone: a site has 65,536 of them, each with points of its own.
  it('refuse a site of IPv6 after sixteen networks, all of it and no other', async () => {
    const limits = new FlexibleRateLimits(LIMITS, null, new NoMetrics());
    for (let at = 0; at < 16; at++) expect(await waitOf(limits, network(at), 'loginPerIp')).toBeNull();
    expect(await waitOf(limits, network(16), 'loginPerIp')).toBeGreaterThan(890);
    expect(await waitOf(limits, network(0, '2001:db8:8'), 'loginPerIp')).toBeNull();
    expect(await waitOf(limits, '198.51.100.7', 'loginPerIp')).toBeNull();
  });

  it('have no site of IPv4, and other limits have none of any address', async () => {
    const limits = new FlexibleRateLimits(LIMITS, null, new NoMetrics());
    for (let at = 0; at < 40; at++) expect(await waitOf(limits, `198.51.100.${at}`, 'loginPerIp')).toBeNull();
    for (let at = 0; at < 40; at++) expect(await waitOf(limits, network(at))).toBeNull();
  });
});

describe('a limit that slows down', () => {
  // Seen red when nobody waits.
  it('lets requests beyond it wait, each of them, never refuses one, and starts anew when it is asked to forget', async () => {
    const waiting: (() => void)[] = [];
    const pause = () => new Promise<void>((resolve) => waiting.push(resolve));
    const metrics = new CountingMetrics();
    const limits = new FlexibleRateLimits(
      limitsOf({ loginAnywhere: { points: 2, seconds: 900 } }),
      null,
      metrics,
      undefined,
      pause,
    );
    for (const _time of [1, 2]) await limits.slow('loginAnywhere', 'ann');
    expect(metrics.hits).toBe(0);
    const slowed = [1, 2, 3].map(() => limits.slow('loginAnywhere', 'ann'));
    await limits.slow('loginAnywhere', 'bob');
    await new Promise(setImmediate);
    expect([waiting.length, metrics.hits]).toEqual([3, 3]);
    for (const go of waiting) go();
    await Promise.all(slowed);

    await limits.forget('loginAnywhere', 'ann');
    await limits.slow('loginAnywhere', 'ann');
    expect(waiting).toHaveLength(3);
  });

  it('keeps no more than a thousand waiting: the others are to come again', async () => {
    const pause = () => new Promise<never>(() => undefined);
    const limits = new FlexibleRateLimits(
      limitsOf({ loginAnywhere: { points: 1, seconds: 900 } }),
      null,
      new NoMetrics(),
      undefined,
      pause,
    );
    await limits.slow('loginAnywhere', 'ann');
    const overloaded: unknown[] = [];
    for (let at = 0; at < 1002; at++)
      limits.slow('loginAnywhere', 'ann').catch((error: unknown) => overloaded.push(error));
    await until(() => overloaded.length === 2);
    expect(overloaded[0]).toBeInstanceOf(Overloaded);
  });
});

describeWithRedis('the limits of instances that share a Redis', () => {
  let server: ProxiedRedis;
  let proxy: ProxiedRedis['proxy'];
  let redis: ProxiedRedis['redis'];
  const closers: (() => unknown)[] = [];

  beforeAll(async () => {
    Logger.overrideLogger(false);
    server = await startProxiedRedis();
    ({ redis, proxy } = server);
    closers.push(() => server.stop());
  });
  afterAll(async () => {
    for (const close of closers.reverse()) await close();
  });

  /** An instance whose connection is up. By default as patient as a busy machine demands. */
  const instance = async (url = server.url, patienceMs = 10_000) => {
    const connection = new RedisConnection({ url, prefix: 'ratchet:' });
    connection.onModuleInit();
    closers.push(() => connection.onApplicationShutdown());
    await until(() => answers(connection));
    return { connection, limits: new FlexibleRateLimits(LIMITS, connection, new NoMetrics(), patienceMs) };
  };

  // Seen red with a block in memory beside it: everyone was told to wait for a second.
  it('count together, tell how long to wait, and forget together', async () => {
    const [one, other] = [(await instance()).limits, (await instance()).limits];
    const key = randomUUID();
    expect(await waitOf(one, key)).toBeNull();
    expect(await waitOf(other, key)).toBeNull();
    expect(await waitOf(one, key)).toBeNull();
    for (const limits of [one, other, one]) expect(await waitOf(limits, key)).toBeGreaterThan(800);
    expect(await waitOf(other, randomUUID())).toBeNull();
    await other.forget('loginPerAccount', key);
    expect(await waitOf(one, key)).toBeNull();
  });

  it('count exactly when twenty come at once', async () => {
    const instances = [(await instance()).limits, (await instance()).limits];
    const key = randomUUID();
    const waits = await Promise.all(Array.from({ length: 20 }, (_, at) => waitOf(instances[at % 2]!, key)));
    expect(waits.filter((wait) => wait === null)).toHaveLength(3);
  });

  it('are kept under the prefix, for as long as they last', async () => {
    const { limits } = await instance();
    const key = randomUUID();
    await waitOf(limits, key);
    const [kept = ''] = await redis.keys(`*${key}`);
    expect(kept).toBe(`ratchet:limit:loginPerAccount:${key}`);
    expect(await redis.ttl(kept)).toBeGreaterThan(800);
  });

  it.each<[how: string, hurt: () => Promise<void> | void]>([
    ['refuses', () => proxy.refuse()],
    ['is silent', () => proxy.silence()],
  ])('are counted by each for itself while it %s, and together when it is back', async (_how, hurt) => {
    const { limits, connection } = await instance(server.proxiedUrl, 50);
    const key = randomUUID();
    await hurt();
    for (const _time of [1, 2, 3]) expect(await waitOf(limits, key)).toBeNull();
    expect(await waitOf(limits, key)).toBeGreaterThan(800);
    await limits.forget('loginPerAccount', key);
    expect(await waitOf(limits, key)).toBeNull();

    await proxy.restore();
    const patient = new FlexibleRateLimits(LIMITS, connection, new NoMetrics(), 10_000);
    await until(async () => {
      await waitOf(patient, key);
      return (await redis.exists(`ratchet:limit:loginPerAccount:${key}`)) === 1;
    });
  });

  // Seen red when the connection is kept: its address may lead to another server by now.
  it('are counted by each for itself while it is a replica, which is readonly, and together when it is none', async () => {
    const { limits, connection } = await instance();
    const key = randomUUID();
    await waitOf(limits, key);
    await redis.sendCommand(['REPLICAOF', '127.0.0.1', String(server.port)]);
    try {
      expect(await waitOf(limits, key)).toBeNull();
      expect(await redis.get(`ratchet:limit:loginPerAccount:${key}`)).toBe('1');
      await expect(connection.run(() => Promise.resolve('answered'))).rejects.toThrow('Redis is not connected');
    } finally {
      await redis.sendCommand(['REPLICAOF', 'NO', 'ONE']);
    }
    await until(() => answers(connection));
    await waitOf(limits, key);
    expect(await redis.get(`ratchet:limit:loginPerAccount:${key}`)).toBe('2');
  });

  // Seen red without a bound: every request left its command behind.
  it('leave no more than a bounded number of commands behind with a Redis that is silent, and give it up', async () => {
    const { limits, connection } = await instance(server.proxiedUrl, 50);
    proxy.silence();
    const sent = await Promise.all(
      Array.from({ length: 3000 }, () =>
        connection
          .run((client) => client.incr('x'))
          .then(
            () => 'answered',
            (error: unknown) => String(error),
          ),
      ).map((command) => Promise.race([command, new Promise<string>((resolve) => setImmediate(resolve, 'waits'))])),
    );
    expect(sent.filter((outcome) => outcome === 'waits').length).toBeLessThanOrEqual(1000);
    expect(sent.filter((outcome) => /queue is full/.test(outcome)).length).toBeGreaterThanOrEqual(2000);
    expect(await waitOf(limits, randomUUID())).toBeNull();
    await until(async () => !(await answers(connection)));
    expect(await waitOf(limits, randomUUID())).toBeNull();
    await proxy.restore();
  });

  it('hold for the whole application, with names of accounts that nobody reads in Redis, and without a Redis', async () => {
    const app = await startTestApplication({
      env: { REDIS_URL: server.proxiedUrl, LIMIT_LOGIN_PER_ACCOUNT: '3/15m', LOG_LEVEL: 'warn' },
    });
    try {
      const account = await app.register();
      // Whichever of the two counted: on a busy machine Redis may take longer than anyone waits.
      const guessing = async () => {
        const statuses: number[] = [];
        while (!statuses.includes(429)) statuses.push((await app.logIn({ ...account, password: 'a guess' })).status);
        return statuses.filter((status) => status === 401).length;
      };
      expect(await guessing()).toBeLessThanOrEqual(6);
      for (const key of await redis.keys('*')) expect(key).not.toContain(account.email);
      await proxy.refuse();
      expect(await guessing()).toBeLessThanOrEqual(3);
      expect((await app.logIn(account)).status).toBe(429);
      const warnings = app.log.filter(({ msg }) => /this process does/.test(String(msg)));
      expect(warnings.length).toBeGreaterThanOrEqual(1);
      await proxy.restore();
    } finally {
      await app.close();
    }
  });
});
