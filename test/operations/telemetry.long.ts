import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { newAccessTokenKey } from '../../src/new-keys';
import { buildIfStale, spawnApplication } from '../support/app/child-application';
import type { Json } from '../support/app/test-application';
import { administer, urlOf } from '../support/database/test-database';
import { until } from '../support/until';

/** An installation from the registry. */
jest.setTimeout(480_000);

/** The version that was run, and that docs/operations.md names. */
const INSTRUMENTATION = '@opentelemetry/auto-instrumentations-node@0.81.2';

/** The spans that arrive at a collector of ours. */
async function startCollector() {
  const spans: Json[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      for (const resource of JSON.parse(body).resourceSpans ?? [])
        for (const scope of resource.scopeSpans)
          for (const span of scope.spans) spans.push({ ...span, scope: scope.scope.name });
      response.setHeader('Content-Type', 'application/json').end('{}');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { spans, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

it('OpenTelemetry traces requests and their statements by auto-instrumentation, in the trace of the request, without a secret', async () => {
  buildIfStale();
  const folder = await mkdtemp(join(tmpdir(), 'ratchet-telemetry-'));
  const database = `telemetry_${process.pid}`;
  const { spans, url: collector, server } = await startCollector();
  await administer(`CREATE DATABASE ${database}`);
  try {
    await writeFile(join(folder, 'package.json'), '{ "private": true }');
    await promisify(execFile)('npm', ['install', '--ignore-scripts', '--save-exact', INSTRUMENTATION], { cwd: folder });
    const { child, output, exited, listening } = spawnApplication(
      folder,
      {
        NODE_ENV: 'test',
        HOST: '127.0.0.1',
        DATABASE_URL: urlOf(database),
        ACCESS_TOKEN_KEYS: `k1:${newAccessTokenKey('HS256')}`,
        REFRESH_TOKEN_KEYS: `1:${randomBytes(32).toString('base64')}`,
        NODE_OPTIONS: `--require ${join(folder, 'node_modules/@opentelemetry/auto-instrumentations-node/build/src/register.js')}`,
        OTEL_SERVICE_NAME: 'ratchet',
        OTEL_TRACES_EXPORTER: 'otlp',
        OTEL_METRICS_EXPORTER: 'none',
        OTEL_LOGS_EXPORTER: 'none',
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
        OTEL_EXPORTER_OTLP_ENDPOINT: collector,
        OTEL_BSP_SCHEDULE_DELAY: '100',
      },
      'build',
    );
    try {
      const url = await listening();
      const traceId = randomBytes(16).toString('hex');
      const post = async (path: string, body: object, headers: Record<string, string> = {}) => {
        const response = await fetch(url + path, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json', ...headers },
          body: JSON.stringify(body),
        });
        return { response, body: (await response.json()) as Json };
      };
      const account = { email: 'ann@app.example', password: 'a long enough passphrase' };
      await post('/auth/register', account);
      const { refreshToken } = (await post('/auth/login', account)).body;
      const retryKey = randomBytes(24).toString('base64url');
      const { response, body } = await post(
        '/auth/refresh',
        { refreshToken },
        { traceparent: `00-${traceId}-00f067aa0ba902b7-01`, 'Idempotency-Key': retryKey },
      );
      expect([response.status, response.headers.get('X-Request-Id')]).toEqual([200, traceId]);
      const own = () => spans.filter((span) => span.traceId === traceId).map(({ scope }) => scope);
      await until(
        () =>
          own().includes('@opentelemetry/instrumentation-http') && own().includes('@opentelemetry/instrumentation-pg'),
      );
      await until(() => output.stdout.includes(`"requestId":"${traceId}"`));
      const exported = JSON.stringify(spans);
      for (const secret of [refreshToken, body.refreshToken, body.accessToken, retryKey, account.password])
        expect([exported.includes(secret), output.stdout.includes(secret)]).toEqual([false, false]);
      expect(exported).not.toMatch(/rt1_|\$2[aby]\$/);
    } finally {
      child.kill('SIGTERM');
    }
    expect(await exited).toBe(0);
  } finally {
    server.close();
    await administer(`DROP DATABASE ${database} WITH (FORCE)`);
    await rm(folder, { recursive: true });
  }
});
