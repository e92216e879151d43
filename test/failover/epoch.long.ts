import { randomBytes } from 'node:crypto';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { Client } from 'pg';
import { RecoverAfterFailoverCommand, RevocationView, ValidateRefreshTokenQuery } from '../../src';
import { newAccessTokenKey } from '../../src/new-keys';
import { newRetryKey } from '../http/support/sessions';
import { type Account, startTestApplication, type TestApplication } from '../support/app/test-application';
import { until } from '../support/until';
import { describeWithPair, Pair } from './pair';

const SETTINGS = {
  REVOCATION_NOTIFY: 'none',
  ACCESS_TOKEN_KEYS: `test:${newAccessTokenKey('HS256')}`,
  REFRESH_TOKEN_KEYS: `0:${randomBytes(32).toString('base64')}`,
  REUSE_ESCALATION_THRESHOLD: '1000',
};
const CLIENTS = 40;

/** A client that follows the rule: its tokens, the newest last. */
interface Holder {
  readonly sessionId: string;
  readonly tokens: string[];
}

describeWithPair('sessions that are refreshed while a primary fails', () => {
  let pair: Pair;
  let app: TestApplication;
  let account: Account;
  const closers: (() => Promise<unknown>)[] = [];
  beforeEach(async () => {
    pair = await Pair.start();
    closers.push(() => pair.remove());
    app = await start();
    account = await app.register();
  });
  /** In the reverse order of the opening, as far as that has come. */
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  async function start(): Promise<TestApplication> {
    const database = { url: pair.url, connect: () => Promise.reject(new Error()), close: () => Promise.resolve() };
    const application = await startTestApplication({ database, env: SETTINGS });
    closers.push(application.close);
    return application;
  }

  const open = async (): Promise<Holder> => {
    const { sessionId, refreshToken } = (await app.logIn(account)).body;
    return { sessionId, tokens: [refreshToken] };
  };
  const many = async (count: number): Promise<Holder[]> => Promise.all(Array.from({ length: count }, open));
  const refresh = async ({ tokens }: Holder, token = tokens.at(-1)!) => {
    const answer = await app.refresh(token, newRetryKey());
    if (answer.status === 200) tokens.push(answer.body.refreshToken);
    return answer;
  };
  const refreshed = async (holder: Holder, times = 1) => {
    for (let time = 0; time < times; time++) expect((await refresh(holder)).status).toBe(200);
  };
  const generations = (server: Pair['primary']) =>
    server.ask<number>('SELECT sum(generation)::integer FROM ratchet.sessions');
  const ready = () => until(async () => (await app.get('/health/ready')).status === 200);
  const rows = async <Row>(sql: string): Promise<Row[]> => {
    const client = new Client({ connectionString: pair.url });
    await client.connect();
    const found = await client.query(sql);
    await client.end();
    return found.rows as Row[];
  };
  const alarms = () => rows(`SELECT type FROM ratchet.auth_events WHERE type ~ 'reuse_detected|forgery_suspected'`);
  const declareEpoch = () =>
    app.app.get(CommandBus).execute(new RecoverAfterFailoverCommand('a failover that lost commits'));

  // Seen red without the epoch: as many are signed out as had refreshed in the lag, each with an alarm.
  it('go on after commits were lost: nobody is signed out, no alarm, as much is adopted as was lost, and thieves are found', async () => {
    const holders = await many(CLIENTS);
    for (const holder of holders) await refreshed(holder);
    const before = holders.map(({ tokens }) => tokens.at(-1)!);
    const lost = await pair.lose(async () => {
      await Promise.all(holders.map((holder, place) => refreshed(holder, place % 4)));
      return (await generations(pair.primary))! - (await generations(pair.standby))!;
    });
    expect(lost).toBeGreaterThanOrEqual(50);
    await pair.failOver();
    await ready();
    await until(() => app.app.get(RevocationView).otherServerAnswered);

    // Before the epoch is declared, clients that are ahead keep their tokens; an instance that knows of no failover would refuse them.
    const [behind, ahead] = [holders[0]!, holders[1]!];
    expect((await refresh(behind)).status).toBe(200);
    expect(await refresh(ahead)).toMatchObject({ status: 503 });
    const late = await start();
    const verdicts = await Promise.all(
      holders.map(({ tokens }) => late.app.get(QueryBus).execute(new ValidateRefreshTokenQuery(tokens.at(-1)!))),
    );
    expect(verdicts.filter(({ ok }) => !ok)).toHaveLength((CLIENTS / 4) * 3);
    expect(await alarms()).toEqual([]);

    await declareEpoch();
    await Promise.all(holders.map((holder) => refreshed(holder)));
    const [adopted] = await rows<{ sum: number }>(
      `SELECT sum((details->>'adoptedAhead')::integer)::integer AS sum FROM ratchet.auth_events WHERE details ? 'adoptedAhead'`,
    );
    expect(adopted).toEqual({ sum: lost });
    expect(await alarms()).toEqual([]);

    // A token from before, in a thief's hands: the session ends with its use.
    await Promise.all(holders.map((holder) => refreshed(holder)));
    for (const [place, holder] of holders.entries()) {
      expect((await app.refresh(before[place]!)).status).toBe(401);
      expect((await refresh(holder)).status).toBe(401);
    }
    expect(await alarms()).toHaveLength(CLIENTS);
  }, 120_000);

  it.each([
    ['the thief comes first', ['thief', 'owner']],
    ['the owner comes first', ['owner', 'thief']],
  ] as const)(
    'end within one further use where thief and owner both hold tokens that were lost: %s',
    async (_, order) => {
      const owner = await open();
      await refreshed(owner);
      const thief: Holder = { sessionId: owner.sessionId, tokens: [] };
      await pair.lose(async () => {
        await refreshed(owner);
        thief.tokens.push(owner.tokens.at(-1)!);
        await refreshed(owner);
      });
      await pair.failOver();
      await ready();
      await declareEpoch();
      const both = { thief, owner };
      const statuses = [];
      for (const who of [...order, ...order]) statuses.push((await refresh(both[who])).status);
      expect(statuses).toEqual([200, 401, 401, 401]);
      expect(await rows(`SELECT revoked_reason FROM ratchet.sessions WHERE id = '${owner.sessionId}'`)).toEqual([
        { revoked_reason: 'reuse_detected' },
      ]);
    },
    60_000,
  );

  it('go on after a second failover inside the epoch as after the first', async () => {
    const holders = await many(4);
    for (const [place, holder] of holders.entries()) await refreshed(holder, place);
    await pair.lose(() => Promise.all(holders.map((holder, place) => refreshed(holder, place))));
    await pair.failOver();
    await ready();
    await declareEpoch();
    await Promise.all(holders.map((holder) => refreshed(holder)));
    await pair.rebuild();
    await pair.lose(() => Promise.all(holders.map((holder, place) => refreshed(holder, 1 + place))));
    await pair.failOver();
    await ready();
    await Promise.all(holders.map((holder) => refreshed(holder, 2)));
    expect(await alarms()).toEqual([]);
  }, 60_000);

  it('lose nothing with a synchronous standby', async () => {
    await pair.primary.ask(`ALTER SYSTEM SET synchronous_standby_names = '*'`);
    await pair.primary.ask('SELECT pg_reload_conf()');
    await until(async () => (await pair.primary.ask('SELECT sync_state FROM pg_stat_replication')) === 'sync');
    const holders = await many(10);
    await Promise.all(holders.map((holder) => refreshed(holder, 3)));
    const committed = await generations(pair.primary);
    await pair.failOver();
    await ready();
    expect(await generations(pair.standby)).toBe(committed);
    await Promise.all(holders.map((holder) => refreshed(holder)));
    expect(await alarms()).toEqual([]);
  }, 60_000);
});
