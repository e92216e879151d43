import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createClient } from 'redis';
import { settings } from '../cli/ratchet';
import { buildIfStale, spawnApplication } from '../support/app/child-application';
import { freshDatabase } from '../support/database/test-database';
import { freePort } from '../support/free-port';
import { certificateForLocalhost } from '../support/network/certificate';
import { describeWithRedis, startRedis } from '../support/redis/redis-server';
import { until } from '../support/until';

describeWithRedis('a Redis with TLS and a user with few rights', () => {
  it('counts the limits with the rights of docs/operations.md, and no other command is allowed', async () => {
    buildIfStale();
    const folder = await mkdtemp(join(tmpdir(), 'ratchet-redis-tls-'));
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
    const made = await certificateForLocalhost();
    await Promise.all([writeFile(key, made.key), writeFile(certificate, made.cert)]);
    const documented = await readFile(resolve(__dirname, '../../docs/operations.md'), 'utf8');
    const [, rights = ''] = /^ACL SETUSER ratchet on '>change-me' (.*)$/m.exec(documented) ?? [];
    const port = await freePort();
    const server = await startRedis(
      `tls-port ${port}`,
      `tls-cert-file ${certificate}`,
      `tls-key-file ${key}`,
      'tls-auth-clients no',
      `user ratchet on >secret ${rights}`,
    );
    const database = await freshDatabase();
    const application = spawnApplication(
      folder,
      {
        ...settings(database.url),
        HOST: '127.0.0.1',
        MIGRATE_ON_START: 'false',
        NODE_EXTRA_CA_CERTS: certificate,
        REDIS_URL: `rediss://ratchet:secret@localhost:${port}`,
      },
      'build',
    );
    try {
      const url = await application.listening();
      await until(async () => {
        const { details } = (await (await fetch(`${url}/health/ready`)).json()) as { details: Record<string, unknown> };
        return (details['redis'] as { status: string }).status === 'up';
      });
      const redis = createClient({ url: server.url });
      await redis.connect();
      const counted = async () => (await redis.keys('*')).map((name) => name.split(':').slice(0, 3).join(':'));
      // More than once: on a busy machine Redis may take longer than anyone waits.
      do
        await fetch(`${url}/auth/login`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({ email: 'a@example.com', password: 'a guess' }),
        });
      while ((await counted()).length < 3);
      expect((await counted()).sort()).toEqual([
        'ratchet:limit:loginAnywhere',
        'ratchet:limit:loginPerAccount',
        'ratchet:limit:loginPerIp',
      ]);
      await redis.auth({ username: 'ratchet', password: 'secret' });
      await expect(redis.get('ratchet:limit:x')).rejects.toThrow('NOPERM');
      await expect(redis.del('other:key')).rejects.toThrow('NOPERM');
      redis.destroy();
    } finally {
      application.child.kill('SIGKILL');
      await application.exited;
      await database.close();
      await server.stop();
      await rm(folder, { recursive: true });
    }
  });
});
