import type { AddressInfo } from 'node:net';
import { MetricsServer } from '../../src/operations/metrics.server';
import { ADAPTERS } from '../support/adapters';
import { startTestApplication } from '../support/app/test-application';
import { until } from '../support/until';

describe('the metrics', () => {
  it('count logins, refreshes and sessions, and name nobody', async () => {
    const application = await startTestApplication();
    try {
      const account = await application.register();
      const login = await application.logIn(account);
      await application.logIn({ ...account, password: 'not the passphrase' });
      await application.refresh(login.body.refreshToken);
      await application.refresh('junk');
      const proof = (await application.logIn(account)).body;
      for (const password of ['not the passphrase', account.password])
        await application.post('/auth/reauthenticate', { refreshToken: proof.refreshToken, password });
      await application.query(`INSERT INTO auth_events (id, type, occurred_at, user_agent, outcome)
        SELECT gen_random_uuid(), 'a.test.v1', date, 'agent', 'failed' FROM unnest('{1999-01-01,2131-01-01}'::timestamptz[]) date`);

      const { status, headers, body } = await application.get('/metrics');

      expect(status).toBe(200);
      expect(headers.get('Content-Type')).toBe('text/plain; version=0.0.4; charset=utf-8');
      for (const line of [
        'ratchet_refresh_total{outcome="rotated"} 1',
        'ratchet_refresh_total{outcome="token_invalid"} 1',
        'ratchet_refresh_duration_seconds_count 2',
        'ratchet_logins_total{outcome="succeeded"} 2',
        // The time that a password takes is not among the durations of refreshes.
        'ratchet_reauthentications_total{outcome="wrong_password"} 1',
        'ratchet_reauthentications_total{outcome="rotated"} 1',
        'ratchet_active_sessions 2',
        // From the start: an alert looks for an increase.
        'ratchet_theft_alerts_total{event="auth.token.reuse_detected.v1"} 0',
        'ratchet_theft_alerts_total{event="auth.token.forgery_suspected.v1"} 0',
        'ratchet_refresh_total{outcome="recovery_pending"} 0',
        'ratchet_refresh_total{outcome="fault"} 0',
        'ratchet_audit_default_rows 2',
        'ratchet_database_pool_connections{state="waiting"} 0',
        'ratchet_database_standbys{sync_state="synchronous"} 0',
        'ratchet_database_standbys{sync_state="asynchronous"} 0',
      ]) {
        expect(body.split('\n')).toContain(line);
      }
      for (const name of [
        'ratchet_audit_queue_depth',
        'ratchet_audit_batch_size_bucket',
        'ratchet_rotation_batch_size_bucket',
        'ratchet_hash_queue_depth',
        'ratchet_listener_failures_total',
        'ratchet_theft_alerts_total',
        'ratchet_process_cpu_seconds_total',
        'ratchet_nodejs_eventloop_lag_seconds',
      ]) {
        expect(body).toContain(name);
      }
      for (const one of [account.email, account.id, login.body.sessionId, '127.0.0.1']) expect(body).not.toContain(one);
    } finally {
      await application.close();
    }
  });
});

describe('the metrics of refreshes and logins', () => {
  it('count what a limit holds off, too', async () => {
    const application = await startTestApplication({
      env: { LIMIT_REFRESH_PER_SESSION: '1/1h', LIMIT_LOGIN_PER_ACCOUNT: '1/1h' },
    });
    try {
      const account = await application.register();
      const wrong = { ...account, password: 'not the passphrase' };
      const { refreshToken } = (await application.logIn(account)).body;
      const statuses = [];
      for (let i = 0; i < 2; i++) statuses.push((await application.logIn(wrong)).status);
      const refreshed = await application.refresh(refreshToken);
      statuses.push(refreshed.status, (await application.refresh(refreshed.body.refreshToken)).status);
      expect(statuses).toEqual([401, 429, 200, 429]);

      const { body } = await application.get('/metrics');
      for (const line of [
        'ratchet_logins_total{outcome="throttled"} 1',
        'ratchet_refresh_total{outcome="throttled"} 1',
      ])
        expect(body.split('\n')).toContain(line);
    } finally {
      await application.close();
    }
  });
});

describe('the metrics on a port of their own', () => {
  it('are there, alone, and no longer on the main port', async () => {
    const application = await startTestApplication({ env: { METRICS_PORT: '0' } });
    try {
      const { port } = application.app.get(MetricsServer).server.address() as AddressInfo;
      const metrics = await fetch(`http://127.0.0.1:${port}/metrics?x=1`);
      expect(metrics.status).toBe(200);
      expect(await metrics.text()).toContain('ratchet_refresh_total');
      expect((await fetch(`http://127.0.0.1:${port}/health/live`)).status).toBe(404);
      expect(await application.get('/metrics')).toMatchObject({ status: 404 });
    } finally {
      await application.close();
    }
  });
});

describe('the number of active sessions', () => {
  it('is an estimate within a few percent where an exact count would read for long', async () => {
    const application = await startTestApplication();
    try {
      // Four statements, since each has its timeout.
      for (const revoked of [true, false, true, false]) {
        await application.query(
          `INSERT INTO sessions (id, user_id, token_hash, key_id, token_version, global_version_at_issuance, delivery,
             expires_at, absolute_expires_at, revoked_at, revoked_reason, user_agent)
           SELECT gen_random_uuid(), 'ann', sha256('a token'), 0, 1, 1, 'body',
             now() + interval '7 days', now() + interval '30 days', CASE WHEN $1 THEN now() END,
             CASE WHEN $1 THEN 'admin_action' END, 'a client' FROM generate_series(1, 30000)`,
          [revoked],
        );
      }
      await application.query('ANALYZE sessions');
      const { body } = await application.get('/metrics');
      const [, count] = /^ratchet_active_sessions (\d+)$/m.exec(body) ?? [];
      expect(Number(count)).toBeGreaterThan(54_000);
      expect(Number(count)).toBeLessThan(66_000);
    } finally {
      await application.close();
    }
  });
});

describe.each(ADAPTERS)('the durations of requests over %s', (adapter) => {
  it('are counted by route, method and status, also of what no handler saw, and have no path', async () => {
    const application = await startTestApplication({ adapter });
    try {
      const { accessToken, sessionId } = (await application.logIn()).body;
      await application.request('DELETE', `/auth/sessions/${sessionId}`, { bearer: accessToken });
      await application.get('/auth/me', 'not a token');
      await application.post('/auth/login', '{"bad');
      await application.get('/nowhere/at-all');
      await application.get('/nowhere/else');
      await application.request('PROPFIND', '/auth/login');
      const lines = async () => ((await application.get('/metrics')).body as string).split('\n');
      const counted = (route: string, method: string, status: string | number) =>
        `ratchet_http_request_duration_seconds_count{route="${route}",method="${method}",status="${status}"}`;
      // Counted when the connection has taken the answer, which the client may have read by then.
      await until(async () => (await lines()).includes(`${counted('unmatched', 'other', 404)} 1`));
      expect(await lines()).toEqual(
        expect.arrayContaining([
          `${counted('/auth/register', 'POST', 201)} 1`,
          `${counted('/auth/login', 'POST', 200)} 1`,
          `${counted('/auth/sessions/:id', 'DELETE', 204)} 1`,
          `${counted('/auth/me', 'GET', 401)} 1`,
          // On Express, a body is read before the route is looked for.
          `${counted(adapter === 'fastify' ? '/auth/login' : 'unmatched', 'POST', 400)} 1`,
          `${counted('unmatched', 'GET', 404)} 2`,
        ]),
      );
      expect((await lines()).join()).not.toMatch(new RegExp(`nowhere|PROPFIND|${sessionId}`));
    } finally {
      await application.close();
    }
  });
});
