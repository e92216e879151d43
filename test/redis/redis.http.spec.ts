import { ADMIN, startTestApplication, type TestApplication } from '../support/app/test-application';
import { describeWithRedis, type ProxiedRedis, startProxiedRedis } from '../support/redis/redis-server';
import { until } from '../support/until';

const KEY = 'ratchet:security:global_version';
const POISON = JSON.stringify({
  schema: 1,
  version: 99,
  changed: 8e15,
  mode: 'immediate',
  graceEndsAt: null,
  gracePeriodSeconds: 300,
});

describeWithRedis('an application beside a Redis that cannot be trusted', () => {
  let application: TestApplication;
  let proxy: ProxiedRedis['proxy'];
  let redis: ProxiedRedis['redis'];
  const closers: (() => unknown)[] = [];

  beforeAll(async () => {
    const server = await startProxiedRedis();
    ({ redis, proxy } = server);
    closers.push(() => server.stop());
    await redis.set(KEY, POISON);
    application = await startTestApplication({
      env: { REDIS_URL: server.proxiedUrl, LOG_LEVEL: 'info' },
    });
    closers.push(() => application.close());
  });
  afterAll(async () => {
    for (const close of closers.reverse()) await close();
  });

  const counter = async (name: string): Promise<number> => {
    const { body } = await application.get('/metrics');
    return Number(new RegExp(`^ratchet_security_cache_${name}_total{cache="security"} (\\d+)$`, 'm').exec(body)?.[1]);
  };
  const admin = async (): Promise<string> => (await application.logIn(ADMIN)).body.accessToken;
  const shown = async (): Promise<number> =>
    (await application.get('/admin/security', await admin())).body.globalMinTokenVersion;
  /** One refresh and one guarded request, both of a session that every floor allows. */
  const decisions = async (): Promise<number[]> => {
    const { body } = await application.logIn();
    const refreshed = await application.refresh(body.refreshToken);
    return [refreshed.status, (await application.get('/auth/me', refreshed.body.accessToken)).status];
  };
  const rotate = async (): Promise<void> => {
    const answer = await application.request('POST', '/admin/security/rotations', {
      body: { reason: 'test' },
      bearer: await admin(),
    });
    expect(answer.status).toBe(201);
  };

  it('refuses nobody for a version that only Redis knows, and shows the one that counts', async () => {
    expect(await decisions()).toEqual([200, 200]);
    expect(await shown()).toBe(1);
    await until(async () => JSON.parse((await redis.get(KEY)) ?? '{}').version === 1);
    expect(await counter('hits')).toBe(0);
    expect(await shown()).toBe(1);
    expect(await counter('hits')).toBe(1);
  });

  it.each<[how: string, hurt: () => Promise<void> | void]>([
    ['refusing connections', () => proxy.refuse()],
    ['silent', () => proxy.silence()],
  ])('%s, it costs a warning and a count, and no decision', async (_, hurt) => {
    const { body: old } = await application.logIn();
    const before = [await shown(), await counter('errors'), application.log.length] as const;
    await hurt();
    await rotate();
    expect((await application.get('/auth/me', old.accessToken)).status).toBe(401);
    expect((await application.refresh(old.refreshToken)).status).toBe(401);
    expect(await decisions()).toEqual([200, 200]);
    expect(await shown()).toBe(before[0] + 1);
    await until(async () => (await counter('errors')) > before[1]);
    expect(application.log.slice(before[2])).toContainEqual(
      expect.objectContaining({ level: 'warn', msg: expect.stringContaining('the database decides') }),
    );
    await proxy.restore();
  });

  it('goes on with it when it is back, flushed', async () => {
    await redis.flushAll();
    await until(async () => {
      await rotate();
      await shown();
      return (await redis.exists(KEY)) === 1;
    });
    expect(JSON.parse((await redis.get(KEY)) ?? '{}').version).toBe(await shown());
    await until(() => application.log.some(({ msg }) => msg === 'Redis answers again'));
  });
});
