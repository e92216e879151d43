import type { Server } from 'node:http';
import { Drain } from '../../src/operations';
import { ADAPTERS } from '../support/adapters';
import { startTestApplication } from '../support/app/test-application';

describe.each(ADAPTERS)('between the first signal and the close, on %s', (adapter) => {
  // Seen red without the header, and without the readiness.
  it('requests are served as ever, readiness is 503, and every answer closes its connection', async () => {
    const application = await startTestApplication({ adapter });
    try {
      const before = await application.get('/health/ready');
      expect([before.status, before.headers.get('Connection')]).toEqual([200, 'keep-alive']);

      application.app.get(Drain).begin(application.app.getHttpServer() as Server);

      const ready = await application.get('/health/ready');
      expect(ready).toMatchObject({ status: 503, body: { error: { shutdown: { status: 'down' } } } });
      const login = await application.logIn();
      const answers = [
        [ready, 503],
        [login, 200],
        [await application.refresh(login.body.refreshToken), 200],
        [await application.get('/auth/me', login.body.accessToken), 200],
        [await application.get('/auth/me'), 401],
        [await application.get('/nowhere'), 404],
        [await application.post('/auth/refresh', '{'), 400],
        [await application.get('/health/live'), 200],
      ] as const;
      for (const [{ status, headers }, expected] of answers)
        expect([status, headers.get('Connection')]).toEqual([expected, 'close']);
    } finally {
      await application.close();
    }
  });
});
