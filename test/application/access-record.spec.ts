import { randomUUID } from 'node:crypto';
import { Controller, Get, type INestApplication } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  AccessDenied,
  AuditRead,
  AuthEventLog,
  type EventFilter,
  FindAuthEventsQuery,
  GetSessionHistoryQuery,
  Overloaded,
  type RecordedEvent,
  RefusalsAggregated,
  Roles,
} from '../../src';
import { AuthTestingModule, InMemoryAuthEventLog, issueTestToken, MovableClock } from '../../src/testing';
import { intercept } from '../http/support/intercept';

const NOW = new Date('2026-01-31T12:00:00Z');

@Controller('reports')
class ReportsController {
  @Roles('auditor', 'admin')
  @Get(':id')
  one(): string {
    return 'one';
  }
}

let app: INestApplication;
let log: InMemoryAuthEventLog;
let clock: MovableClock;
beforeEach(async () => {
  const module = await Test.createTestingModule({
    imports: [AuthTestingModule.forRoot()],
    controllers: [ReportsController],
  }).compile();
  app = module.createNestApplication(new FastifyAdapter(), { logger: false });
  clock = app.get(MovableClock, { strict: false });
  clock.advance((NOW.getTime() - clock.now().getTime()) / 1000);
  log = app.get(AuthEventLog, { strict: false });
  await app.listen(0, '127.0.0.1');
});
afterEach(() => app.close());

const recorded = async (type: string): Promise<readonly RecordedEvent[]> =>
  (await log.find({ type }, 200, undefined, 'oldest first')).items;
/** Ends the minute as the end of the application does, and answers what was summed up in it. */
const sums = async () => {
  await app.close();
  return (await recorded(RefusalsAggregated.type)).map(({ userId, sessionId, details }) => ({
    userId,
    sessionId,
    ...details,
  }));
};
/** Lets no record be stored while `work` goes on. */
const unrecorded = async <T>(work: () => Promise<T>): Promise<T> => {
  const restore = intercept({ app }, AuthEventLog, 'appendNew', async () => {
    throw new Error('connection lost');
  });
  return work().finally(restore);
};

describe('A call that lacks a role', () => {
  const read = async (token: string): Promise<number> => {
    const headers = { Authorization: `Bearer ${token}`, 'User-Agent': 'a browser' };
    return (await fetch(`${await app.getUrl()}/reports/7?secret=s3cr3t`, { headers })).status;
  };

  // Seen red without the port in the guard.
  it('is recorded with its user, session, roles and route, and without any value of the URL', async () => {
    const [userId, sessionId] = [randomUUID(), randomUUID()];
    expect(await read(await issueTestToken(app, { userId, sessionId }))).toBe(403);
    const [denied] = await recorded(AccessDenied.type);
    expect(denied).toMatchObject({
      userId,
      sessionId,
      ipAddress: '127.0.0.1',
      userAgent: 'a browser',
      outcome: 'failed',
      details: { requiredRoles: ['auditor', 'admin'], route: 'GET /reports/:id' },
    });
    expect(JSON.stringify(denied)).not.toContain('s3cr3t');
  });

  it('is no other call: neither one with the role, nor one without a valid token', async () => {
    expect(await read(await issueTestToken(app, { roles: ['auditor'] }))).toBe(200);
    expect(await read('junk')).toBe(401);
    expect(await recorded(AccessDenied.type)).toEqual([]);
  });

  it('is recorded ten times a minute and user, and summed up beyond that', async () => {
    const [userId, sessionId] = [randomUUID(), randomUUID()];
    const token = await issueTestToken(app, { userId, sessionId });
    const other = await issueTestToken(app, { userId });
    const asOther = await issueTestToken(app);
    const answers = await Promise.all([...Array<string>(15).fill(token), ...Array<string>(5).fill(other)].map(read));
    expect(answers).toEqual(Array(20).fill(403));
    expect(await recorded(AccessDenied.type)).toHaveLength(10);
    expect(await read(asOther)).toBe(403);
    clock.advance(60);
    expect(await read(token)).toBe(403);
    expect(await recorded(AccessDenied.type)).toHaveLength(12);
    // Of two sessions: of none in particular.
    const eventType = AccessDenied.type;
    expect(await sums()).toEqual([{ userId, sessionId: null, count: 10, distinctIps: 1, eventType }]);
  });

  it('that cannot be recorded is 503', async () => {
    const token = await issueTestToken(app);
    expect(await unrecorded(() => read(token))).toBe(503);
    expect(await read(token)).toBe(403);
  });
});

describe('The reading of the audit trail', () => {
  const [ann, ben] = [randomUUID(), randomUUID()];
  const search = (filter: EventFilter, userId?: string, after?: RecordedEvent) =>
    app.get(QueryBus).execute(
      new FindAuthEventsQuery(filter, 10, after && { occurredAt: after.occurredAt, id: after.id, part: 0 }, {
        userId,
      }),
    );
  const filters = async () => (await recorded(AuditRead.type)).map(({ userId, details }) => [userId, details.filter]);

  it('is recorded once for each administrator, filter and ten minutes, whatever the page', async () => {
    const sessionId = randomUUID();
    for (let time = 0; time < 3; time++) {
      const { items } = await search({ outcome: 'failed', from: NOW, sessionId }, ann);
      await search({ sessionId, from: NOW, outcome: 'failed' }, ann, items[0]);
    }
    const first = [ann, { sessionId, outcome: 'failed', from: NOW.toISOString() }];
    expect(await filters()).toEqual([first]);
    clock.advance(1);
    await search({ sessionId, outcome: 'failed', from: NOW }, ben);
    clock.advance(1);
    await search({}, ann);
    clock.advance(1);
    await app.get(QueryBus).execute(new GetSessionHistoryQuery(sessionId, 10, undefined, { userId: ann }));
    expect((await filters()).slice(1)).toEqual([
      [ben, first[1]],
      [ann, {}],
      [ann, { sessionId }],
    ]);
    clock.advance(600);
    await search({ sessionId, outcome: 'failed', from: NOW }, ann);
    expect((await filters()).slice(4)).toEqual([first]);
  });

  it('is recorded once of many at once', async () => {
    await Promise.all(Array.from({ length: 20 }, () => search({ userId: ben }, ann)));
    expect(await filters()).toEqual([[ann, { userId: ben }]]);
  });

  it('leaves no record of the command line, and of code that names no reader', async () => {
    await search({});
    expect(await recorded(AuditRead.type)).toEqual([]);
  });

  // Seen red with the record after the reading.
  it('that cannot be recorded does not take place', async () => {
    let readings = 0;
    const restore = intercept({ app }, AuthEventLog, 'find', (proceed) => {
      readings++;
      return proceed();
    });
    await unrecorded(() => expect(search({}, ann)).rejects.toBeInstanceOf(Overloaded));
    restore();
    expect(readings).toBe(0);
    await search({}, ann);
    expect(await filters()).toEqual([[ann, {}]]);
  });

  it('by ever new filters fills no record: 60 a minute, and a sum', async () => {
    for (let one = 0; one < 75; one++) await search({ attemptId: randomUUID() }, ann);
    expect(await filters()).toHaveLength(60);
    const eventType = AuditRead.type;
    expect(await sums()).toEqual([{ userId: ann, sessionId: null, count: 15, distinctIps: 1, eventType }]);
  });
});
