import { DataSource } from 'typeorm';
import type { PostgresDataSourceOptions } from 'typeorm/driver/postgres/PostgresDataSourceOptions';
import { v7 as uuidv7 } from 'uuid';
import { names } from '../../src/auth/infrastructure/postgres/names';
import { sessionEntity } from '../../src/auth/infrastructure/postgres/session.entity';
import { newSession, nextToken, onPostgres, refreshRecord } from '../ports/adapters';
import { plantParsers, RUBBISH } from '../support/database/hostile-parsers';
import { SCHEMA, testDatabase, type TestDatabase } from '../support/database/test-database';

// Seen red with the host's own manager, and with statements on the pool that name no types.
describe("values that auth reads, whatever a host has done to pg's parsers", () => {
  let database: TestDatabase;
  let host: DataSource;
  let ports: ReturnType<typeof onPostgres>;
  let putBack: () => void;

  beforeAll(async () => {
    database = await testDatabase();
    const { options } = await database.connect(1);
    host = await new DataSource({ ...(options as PostgresDataSourceOptions), poolSize: 5 }).initialize();
    putBack = plantParsers();
    ports = onPostgres(host);
  });
  afterAll(async () => {
    putBack();
    await host.destroy();
    await database.close();
  });

  const bytes = Buffer.from('00275c5cff7831', 'hex');
  it.each([
    ['boolean', 'true', true],
    ['smallint', '-7', -7],
    ['integer', '2147483647', 2147483647],
    ['integer', 'NULL', null],
    ['bigint', '9007199254740993', '9007199254740993'],
    ['double precision', '1.5', 1.5],
    ['text', `'{"a": 1}'`, '{"a": 1}'],
    ['inet', `'2001:db8::1'`, '2001:db8::1'],
    ['json', `'{"a": [1, null]}'`, { a: [1, null] }],
    ['jsonb', `'{"a": [1, null]}'`, { a: [1, null] }],
    ['timestamptz', `'2026-02-03 04:05:06Z'`, new Date('2026-02-03T04:05:06Z')],
    ['timestamptz', `'2026-02-03 04:05:06.123456-08'`, new Date('2026-02-03T12:05:06.123Z')],
    ['bytea', String.raw`'\x'`, Buffer.alloc(0)],
    ['bytea', String.raw`'\x00275c5cff7831'`, bytes],
    ['text[]', `'{}'`, []],
    [
      'text[]',
      String.raw`ARRAY['otp', 'a,b', 'say "no"', '\d', '', 'NULL', NULL]`,
      ['otp', 'a,b', 'say "no"', '\\d', '', 'NULL', null],
    ],
  ])('are right for %s %s', async (type, sql, value) => {
    const { unitOfWork } = ports;
    for (const settings of [
      ['hex', 'UTC'],
      ['escape', 'Asia/Kolkata'],
    ]) {
      await unitOfWork.run(async () => {
        await unitOfWork.manager.query(
          `SELECT set_config('bytea_output', $1, true), set_config('timezone', $2, true)`,
          settings,
        );
        const [row] = await unitOfWork.ownManager.query(`SELECT (${sql})::${type} AS value`);
        expect(row.value).toEqual(value);
        // The host's own reads remain the host's.
        const [hosts] = await unitOfWork.manager.query(`SELECT (${sql})::${type} AS value`);
        expect(hosts.value).toEqual(value === null ? null : RUBBISH);
      });
    }
  });

  it('are right in every column of a session, however it is read', async () => {
    const entity = sessionEntity(names(SCHEMA));
    const opened = await ports.sessions.open(newSession());
    const next = nextToken(opened, { retryKeyHash: Buffer.from('a key') });
    expect(await ports.sessions.rotate(opened, next, refreshRecord(opened))).toBe(true);
    const proof = { authTime: new Date('2026-01-01T00:00:00Z'), amr: ['pwd', 'otp'], claims: { tenant: 'a' } };
    await ports.unitOfWork.ownManager.update(entity, { id: opened.id }, proof);

    const row = await ports.unitOfWork.ownManager
      .createQueryBuilder(entity, 'session')
      .addSelect(Object.keys(proof).map((property) => `session.${property}`))
      .where({ id: opened.id })
      .getOneOrFail();

    const { expiresAt: _, lastUsedAt: __, tokenHash: previousTokenHash, ...same } = opened;
    const { userAgent: lastUserAgent, ipAddress: lastIpAddress, ...rotated } = next;
    const { rotatedAt } = row;
    expect(row).toEqual({
      ...same,
      ...rotated,
      ...proof,
      previousTokenHash,
      lastUserAgent,
      lastIpAddress,
      generation: 1,
      keyed: true,
      rotatedAt,
      lastUsedAt: rotatedAt,
    });
    expect(rotatedAt).toBeInstanceOf(Date);
    expect(await ports.sessions.findById(opened.id)).toMatchObject({ ...rotated, rotatedAt });
    expect(await ports.sessions.findForRefresh(opened.id)).toMatchObject({
      session: { tokenHash: next.tokenHash, expiresAt: next.expiresAt, rotatedAt },
      now: expect.any(Date),
    });
    const { items } = await ports.log.find({ sessionId: opened.id }, 1, undefined, 'oldest first');
    expect(items).toMatchObject([{ occurredAt: expect.any(Date), generation: 0, details: {} }]);
    expect(await ports.feed.read(null)).toMatchObject({ now: expect.any(Date), horizon: expect.any(BigInt) });
    expect(await ports.policies.floorsOf(opened.userId)).toMatchObject({
      floors: { globalMinTokenVersion: 1, userMinTokenVersion: 1 },
      now: expect.any(Date),
    });
  });

  it('are right within a unit of work, on the one connection of the host', async () => {
    const { unitOfWork, sessions } = ports;
    const session = newSession();
    await unitOfWork.run(async () => {
      await sessions.open(session);
      const [hosts] = await unitOfWork.manager.query(
        `SELECT count(*) AS n, min(id::text) AS id FROM ratchet.sessions WHERE user_id = $1`,
        [session.userId],
      );
      expect(hosts).toEqual({ n: RUBBISH, id: RUBBISH });
      const { id } = await sessions.open({ ...session, id: uuidv7() }); // at the same moment, and with a higher id
      const page = await sessions.findLiveOfUser(session.userId, 1);
      expect(page).toEqual({
        items: [expect.objectContaining({ id, tokenHash: session.tokenHash })],
        next: { time: expect.any(Number), id },
      });
      expect(await sessions.findLiveOfUser(session.userId, 1, page.next!)).toMatchObject({
        items: [{ id: session.id }],
      });
      expect(await sessions.countBelowGlobal(2)).toBeGreaterThan(0);
    });
  });
});
