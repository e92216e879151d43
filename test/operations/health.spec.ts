import { AuthOptions } from '../../src';
import { runMigrations } from '../../src/postgres/migrate';
import { HealthController } from '../../src/operations/health.controller';
import { type Answer, startTestApplication } from '../support/app/test-application';
import { freshDatabase, SCHEMA } from '../support/database/test-database';
import { describeWithRedis, startProxiedRedis } from '../support/redis/redis-server';
import { until } from '../support/until';

it('is not ready once it has been asked to close', async () => {
  const application = await startTestApplication();
  const health = application.app.get(HealthController);
  await application.close();
  await expect(health.ready()).rejects.toMatchObject({ response: { status: 'shutting_down' } });
});

it("does not start without auth's tables, and says what to run", async () => {
  const database = await freshDatabase();
  const dataSource = await database.connect(1);
  await dataSource.query(`DROP SCHEMA ${SCHEMA} CASCADE`);
  try {
    await expect(startTestApplication({ database })).rejects.toThrow(
      /^AuthModule cannot use the DataSource:\n {2}- the schema ratchet lacks sessions, .*: run the migrations of authSchema\(\)\n/,
    );
  } finally {
    await database.close();
  }
});

// Seen red: the start died where the administrator is looked for.
it("is not ready, but up, until somebody has migrated the application's own tables", async () => {
  const database = await freshDatabase();
  const dataSource = await database.connect();
  await dataSource.undoLastMigration(); // that of the users
  const application = await startTestApplication({ database, env: { LOG_LEVEL: 'warn' } });
  try {
    expect(await application.get('/health/ready')).toMatchObject({
      status: 503,
      body: {
        error: { migrations: { status: 'down' } },
        info: { database: { status: 'up' }, revocations: { status: 'up' } },
      },
    });
    expect(application.log).toContainEqual(
      expect.objectContaining({ msg: expect.stringMatching(/^No account was opened.*start again/) }),
    );
    await runMigrations(dataSource);
    await until(async () => (await application.get('/health/ready')).status === 200);
  } finally {
    await application.close();
    await dataSource.destroy();
    await database.close();
  }
});

describe('health', () => {
  it('is live, and ready only while the database is there', async () => {
    const database = await freshDatabase();
    const application = await startTestApplication({ database, env: { LOG_LEVEL: 'warn' } });
    try {
      expect(await application.get('/health/live')).toMatchObject({ status: 200, body: { status: 'ok' } });
      expect(await application.get('/health/ready')).toMatchObject({
        status: 200,
        body: {
          status: 'ok',
          details: { database: { status: 'up' }, migrations: { status: 'up' }, revocations: { status: 'up' } },
        },
      });
      expect((await application.get('/health/ready')).body.details).not.toHaveProperty('redis');

      await database.close();

      const { status, headers, body } = await application.get('/health/ready');
      expect({ status, body }).toMatchObject({
        status: 503,
        body: { status: 'error', error: { database: { status: 'down', message: 'unavailable' } } },
      });
      expect(headers.get('Cache-Control')).toContain('no-store');
      expect(headers.get('Retry-After')).toBe('1');
      expect(application.log).toContainEqual(expect.objectContaining({ context: 'Readiness', level: 'warn' }));
      expect(await application.get('/health/live')).toMatchObject({ status: 200 });
    } finally {
      await application.close();
    }
  });

  // Seen red with a statement that a standby answers as well.
  it('is not ready on a server that accepts no changes', async () => {
    const database = await freshDatabase();
    const application = await startTestApplication({ database, env: { LOG_LEVEL: 'warn' } });
    const [{ name }] = await application.query('SELECT current_database() AS name');
    await application.query(`ALTER DATABASE "${name}" SET default_transaction_read_only = on`);
    const others =
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()';
    await until(async () => {
      await application.query(others).catch(() => undefined);
      return (await application.get('/health/ready')).status === 503;
    });
    expect(await application.get('/health/ready')).toMatchObject({
      status: 503,
      body: { error: { database: { status: 'down', message: 'unavailable' } } },
    });
    expect(application.log).toContainEqual(
      expect.objectContaining({ msg: expect.stringContaining('read-only or in recovery') }),
    );
    await application.close();
    await database.close();
  });

  // Seen red without the check: the database answers, and every guarded request is 503.
  it('is not ready while the revocations are out of date, although the database answers', async () => {
    const application = await startTestApplication();
    // Less than a start would take, or this would wait for five seconds.
    Object.assign(application.app.get(AuthOptions), { maxStalenessSeconds: 2 });
    try {
      await application.query('ALTER TABLE revocations RENAME TO taken_away');
      let answer: Answer;
      do answer = await application.get('/health/ready');
      while (answer.status === 200);
      expect(answer).toMatchObject({
        status: 503,
        body: {
          error: { revocations: { status: 'down', message: 'unavailable' } },
          info: { database: { status: 'up' } },
        },
      });
      await application.query('ALTER TABLE taken_away RENAME TO revocations');
      do answer = await application.get('/health/ready');
      while (answer.status !== 200);
    } finally {
      await application.close();
    }
  });

  it('is not ready while a migration is missing', async () => {
    const database = await freshDatabase();
    const application = await startTestApplication({ database });
    try {
      await application.query('DELETE FROM migrations WHERE id = (SELECT max(id) FROM migrations)');
      expect(await application.get('/health/ready')).toMatchObject({
        status: 503,
        body: { error: { migrations: { status: 'down' } }, info: { database: { status: 'up' } } },
      });
    } finally {
      await application.close();
      await database.close();
    }
  });
});

describeWithRedis('the health of an instance with a Redis', () => {
  it.each<'refuse' | 'silence'>(['refuse', 'silence'])(
    'tells whether that answers, and does not depend on it: %s',
    async (hurt) => {
      const { proxy, proxiedUrl, stop } = await startProxiedRedis();
      const application = await startTestApplication({ env: { REDIS_URL: proxiedUrl } });
      const ready = () => application.get('/health/ready');
      try {
        await until(async () => (await ready()).body.details.redis.status === 'up');
        expect(await ready()).toMatchObject({ status: 200, body: { status: 'ok' } });
        await proxy[hurt]();
        await until(async () => (await ready()).body.details.redis.status !== 'up');
        expect(await ready()).toMatchObject({
          status: 200,
          body: {
            status: 'degraded',
            error: {},
            details: { database: { status: 'up' }, redis: { status: 'degraded', message: 'unavailable' } },
          },
        });
        await proxy.restore();
        await until(async () => (await ready()).body.status === 'ok');
      } finally {
        await application.close();
        await stop();
      }
    },
  );

  // Seen red when any server that answers is taken for a master: a replica answers, too.
  it('is degraded while that is a replica, which counts nothing', async () => {
    const { redis, port, url, stop } = await startProxiedRedis();
    const application = await startTestApplication({ env: { REDIS_URL: url } });
    const status = async () => (await application.get('/health/ready')).body.details.redis.status;
    try {
      await until(async () => (await status()) === 'up');
      await redis.sendCommand(['REPLICAOF', '127.0.0.1', String(port)]);
      expect(await status()).toBe('degraded');
      await redis.sendCommand(['REPLICAOF', 'NO', 'ONE']);
      await until(async () => (await status()) === 'up');
    } finally {
      await application.close();
      await stop();
    }
  });
});
