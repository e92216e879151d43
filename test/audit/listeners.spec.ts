import { EventEmitter2 } from '@nestjs/event-emitter';
import { Registry } from 'prom-client';
import {
  AUTH_EVENTS,
  AuthTokenRefreshFailed,
  RefreshTokenReuseDetected,
  TokenForgerySuspected,
  type EventContext,
} from '../../src';
import { AuditListeners } from '../../src/audit/audit.listeners';
import { createLogger } from '../../src/logging';

const context: EventContext = {
  eventId: '0193b5a0-0000-7000-8000-000000000001',
  occurredAt: new Date('2026-01-31T12:00:00Z'),
  attemptId: '0193b5a0-0000-7000-8000-000000000000',
  userId: '0193b5a0-0000-7000-8000-00000000000a',
  sessionId: '0193b5a0-0000-7000-8000-00000000000b',
  generation: 7,
  ipAddress: '203.0.113.9',
  userAgent: 'a browser',
};
const party = { ipAddress: '203.0.113.9', userAgent: 'a browser', at: '2026-01-31T12:00:00Z', deviceId: null };
const reuse = new RefreshTokenReuseDetected(context, 3, 40, 'stale', party, party);

function listening(level: Parameters<typeof createLogger>[0] = 'info') {
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger(level, { write: (line) => void lines.push(JSON.parse(line)) });
  const emitter = new EventEmitter2();
  const registry = new Registry();
  new AuditListeners(logger, emitter, registry).onModuleInit();
  return { emitter, registry, lines };
}

describe('the audit listeners', () => {
  it('write one line for an event, with its ids, outcome and own fields', async () => {
    const { emitter, lines } = listening();
    await emitter.emitAsync(
      AuthTokenRefreshFailed.type,
      new AuthTokenRefreshFailed(context, 'token_revoked', 'user_logout'),
    );
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      level: 'info',
      type: 'auth.token_refresh.failed.v1',
      outcome: 'failed',
      ...context,
      occurredAt: '2026-01-31T12:00:00.000Z',
      reason: 'token_revoked',
      revokedReason: 'user_logout',
    });
  });

  it('hear every type of event, each by its own name', () => {
    const { emitter } = listening('debug');
    expect(emitter.eventNames().toSorted()).toEqual(AUTH_EVENTS.map(({ type }) => type).toSorted());
  });

  it.each([reuse, new TokenForgerySuspected(context, 'generation_ahead', 3)])(
    'raise and count an alert for theft and forgery, also when the log shows only errors ($constructor.name)',
    async (event) => {
      const { emitter, registry, lines } = listening('error');
      const { type } = event.constructor as typeof RefreshTokenReuseDetected;
      await emitter.emitAsync(type, event);
      expect(lines).toEqual([expect.objectContaining({ level: 'error', type, sessionId: context.sessionId })]);
      expect(await registry.metrics()).toContain(`ratchet_theft_alerts_total{event="${type}"} 1`);
    },
  );

  it('hear nothing but alerts where the log would not show the lines', () => {
    const { emitter } = listening('warn');
    expect(emitter.eventNames()).toHaveLength(2);
  });

  it('pass a failure on to the dispatch, and keep nobody else from hearing', async () => {
    const emitter = new EventEmitter2();
    const broken = createLogger('info', {
      write: () => {
        throw new Error('disk full');
      },
    });
    new AuditListeners(broken, emitter, new Registry()).onModuleInit();
    const heard: unknown[] = [];
    emitter.on(RefreshTokenReuseDetected.type, (event) => void heard.push(event));
    await expect(emitter.emitAsync(RefreshTokenReuseDetected.type, reuse)).rejects.toThrow('disk full');
    expect(heard).toEqual([reuse]);
  });
});
