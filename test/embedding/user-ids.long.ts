import { randomUUID } from 'node:crypto';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { decodeJwt } from 'jose';
import { DataSource } from 'typeorm';
import {
  FindAuthEventsQuery,
  GetSessionHistoryQuery,
  RefreshTokenReuseDetected,
  SetUserActiveCommand,
  SetUserRolesCommand,
  UserDirectory,
} from '../../src';
import { hostDatabase, type HostDatabase } from './support/host';
import { ID_TYPES, type IdType, type InProcessHost, PASSWORD, startHostWith } from './support/people';

/** Without `fastifyOptions()` a longer part of a path is answered by Fastify itself. */
const FASTIFY_PARAMETER = 100;
const NEXT = 'another long passphrase';
const NUMBERS = [
  '007',
  '+7',
  ' 7',
  '7 ',
  '7.0',
  '0x7',
  '1e3',
  '-0',
  '9'.repeat(19),
  '9223372036854775808',
  '9'.repeat(128),
];

/** Texts that are no id of anybody's, or another spelling of an id: what each type's directory makes of them is its own. */
const SPELLINGS: Readonly<Record<IdType['idType'], (id: string) => string[]>> = {
  integer: () => NUMBERS,
  bigint: (id) => [...NUMBERS, `0${id}`, `+${id}`, ` ${id}`, String(Number(id))],
  text: (id) => [id.toUpperCase(), `${id} `, "O'Neill", '"', 'ö'.repeat(128), '%', 'a/b'],
  uuid: (id) => [id.toUpperCase(), `{${id}}`, id.replaceAll('-', ''), `urn:uuid:${id}`, '7', 'ann'],
};

const HOSTS = ID_TYPES.flatMap((type) =>
  [true, false].map((joined) => ({
    type,
    joined,
    name: `${type.idType} ids, ${joined ? 'joined, on Fastify' : 'not joined, on Express'}`,
  })),
);

describe.each(HOSTS)('a host with $name', ({ type, joined }) => {
  let database: HostDatabase;
  let host: InProcessHost;
  let first: Awaited<ReturnType<typeof person>>;
  let admin: Awaited<ReturnType<typeof signedIn>>;

  beforeAll(async () => {
    database = await hostDatabase();
    host = await startHostWith(type, joined, database.url, joined ? 'fastify' : 'express');
    first = await person();
    admin = await signedIn(['admin']);
  });
  afterAll(async () => {
    await host.close();
    await database.drop();
  });

  const query = <T>(sql: string, parameters: unknown[] = []): Promise<T[]> =>
    host.app.get(DataSource).query(sql, parameters);
  const execute: CommandBus['execute'] = (command: never) => host.app.get(CommandBus).execute(command);
  const search: QueryBus['execute'] = (question: never) => host.app.get(QueryBus).execute(question);

  /** A new person of the host's, with the id as the directory spells it. */
  async function person(roles = ['user']): Promise<{ id: string; email: string }> {
    const email = `${randomUUID()}@example.com`;
    const [{ id } = { id: '' }] = await query<{ id: string }>(
      'INSERT INTO people (email, password_hash, roles) VALUES ($1, $2, $3) RETURNING id::text',
      [email, await host.hash(), roles],
    );
    return { id, email };
  }
  async function opened(email: string, password = PASSWORD) {
    const { status, body } = await host.logIn(email, password);
    expect(status).toBe(200);
    return body as { accessToken: string; refreshToken: string; sessionId: string; generation: number };
  }
  async function signedIn(roles?: string[]) {
    const known = await person(roles);
    return { ...known, ...(await opened(known.email)) };
  }
  const statusOf = async (accessToken: string) => (await host.ask('GET', '/whoami', undefined, accessToken)).status;
  const administer = (method: string, id: string, route: 'sessions' | 'rotations', body?: object) =>
    host.ask(method, `/admin/users/${encodeURIComponent(id)}/${route}`, body, admin.accessToken);
  const live = async (id: string) => (await administer('GET', id, 'sessions')).body.items as { id: string }[];
  const refused = (reason: string) => ({ status: 401, body: { code: reason } });

  it("signs in, and is known by the id as the table has it, on auth's routes and the host's", async () => {
    const { id, email, accessToken, sessionId } = await signedIn();
    expect(decodeJwt(accessToken).sub).toBe(id);
    expect(await host.ask('GET', '/whoami', undefined, accessToken)).toMatchObject({
      status: 200,
      body: { userId: id },
    });
    const me = await host.ask('GET', '/auth/me', undefined, accessToken);
    expect(me).toMatchObject({ status: 200, body: { id, email, roles: ['user'], sessionId } });
  });

  it('refreshes, gets the same answer for a retry, and finds a theft', async () => {
    const { id, refreshToken, sessionId } = await signedIn();
    const second = await host.refresh(refreshToken);
    expect(second).toMatchObject({ status: 200, body: { generation: 1 } });
    expect(decodeJwt(second.body.accessToken).sub).toBe(id);
    expect((await host.refresh(refreshToken)).body.refreshToken).toBe(second.body.refreshToken);
    const third = await host.refresh(second.body.refreshToken);
    expect(await host.refresh(refreshToken)).toMatchObject(refused('token_revoked'));
    expect(await host.refresh(third.body.refreshToken)).toMatchObject(refused('token_revoked'));
    expect(await statusOf(third.body.accessToken)).toBe(401);
    const { items } = await search(new FindAuthEventsQuery({ userId: id, type: RefreshTokenReuseDetected.type }, 10));
    expect(items).toMatchObject([{ userId: id, sessionId }]);
  });

  it('ends one of its sessions, the others, this one, and all', async () => {
    const { email, accessToken, sessionId, refreshToken } = await signedIn();
    const [one, two] = [await opened(email), await opened(email)];
    const mine = async () =>
      (await host.ask('GET', '/auth/sessions', undefined, accessToken)).body.items as { id: string }[];
    expect((await mine()).map(({ id }) => id)).toEqual([two.sessionId, one.sessionId, sessionId]);
    expect(await host.ask('DELETE', `/auth/sessions/${admin.sessionId}`, undefined, accessToken)).toMatchObject({
      status: 404,
    });
    expect(await host.ask('DELETE', `/auth/sessions/${one.sessionId}`, undefined, accessToken)).toMatchObject({
      status: 204,
    });
    expect(await host.refresh(one.refreshToken)).toMatchObject(refused('token_revoked'));
    const others = await host.ask('DELETE', '/auth/sessions?except=current', undefined, accessToken);
    expect(others).toMatchObject({ status: 200, body: { revokedSessions: 1 } });
    expect(await statusOf(two.accessToken)).toBe(401);
    expect(await mine()).toMatchObject([{ id: sessionId, current: true }]);
    expect(await host.ask('POST', '/auth/logout', { refreshToken })).toMatchObject({ status: 204 });
    expect(await statusOf(accessToken)).toBe(401);

    const [last, beside] = [await opened(email), await opened(email)];
    const everywhere = await host.ask('POST', '/auth/logout-all', {}, last.accessToken);
    expect(everywhere).toMatchObject({ status: 200, body: { revokedSessions: 2 } });
    expect(await statusOf(beside.accessToken)).toBe(401);
  });

  it('changes its password, which ends every session but the new one', async () => {
    const { id, email, accessToken, refreshToken } = await signedIn();
    const body = { currentPassword: PASSWORD, newPassword: NEXT };
    const changed = await host.ask('POST', '/auth/password', body, accessToken);
    expect(changed.status).toBe(200);
    expect(decodeJwt(changed.body.accessToken)).toMatchObject({ sub: id, uv: 2 });
    expect(await host.refresh(changed.body.refreshToken)).toMatchObject({ status: 200 });
    expect(await host.refresh(refreshToken)).toMatchObject(refused('token_revoked'));
    expect(await statusOf(accessToken)).toBe(401);
    expect((await host.logIn(email)).status).toBe(401);
    await opened(email, NEXT);
  });

  it("is administered: its sessions listed and ended, its tokens rotated, a session's history read", async () => {
    const { id, email, accessToken, sessionId, refreshToken } = await signedIn();
    expect(await live(id)).toMatchObject([{ id: sessionId, current: false }]);
    const rotated = await administer('POST', id, 'rotations', { reason: 'a lost laptop' });
    expect(rotated).toMatchObject({ status: 201, body: { userId: id, previousVersion: 1, newVersion: 2 } });
    expect(await statusOf(accessToken)).toBe(401);
    expect(await host.refresh(refreshToken)).toMatchObject(refused('token_version_rejected'));

    const next = await opened(email);
    expect(await administer('DELETE', id, 'sessions')).toMatchObject({ status: 200, body: { revokedSessions: 1 } });
    expect(await statusOf(next.accessToken)).toBe(401);
    expect(await live(id)).toEqual([]);
    const { items } = await search(new GetSessionHistoryQuery(next.sessionId, 10));
    expect(items.map(({ type, userId }) => [type, userId])).toEqual([
      ['auth.login.attempted.v1', id],
      ['auth.session.created.v1', id],
      ['auth.login.succeeded.v1', id],
      ['auth.sessions.all_revoked.v1', id],
    ]);
    expect(items.at(-1)?.details).toMatchObject({ actorId: admin.id });
  });

  it('is deactivated and demoted by commands', async () => {
    const { id, email, accessToken, refreshToken } = await signedIn(['user', 'clerk']);
    expect(await execute(new SetUserRolesCommand(id, ['user'], { userId: admin.id }))).toEqual({ ok: true });
    expect(await statusOf(accessToken)).toBe(401);
    expect(await host.refresh(refreshToken)).toMatchObject(refused('token_version_rejected'));
    const next = await opened(email);
    expect(await execute(new SetUserActiveCommand(id, false, { userId: admin.id }))).toEqual({ ok: true });
    expect(await host.refresh(next.refreshToken)).toMatchObject(refused('token_revoked'));
    expect((await host.logIn(email)).status).toBe(401);
    expect(await execute(new SetUserActiveCommand(id, true))).toEqual({ ok: true });
    await opened(email);
  });

  // The first person of all, so that the numbers among the spellings are about somebody.
  it("is administered by another spelling where the host's directory knows it, and is nobody's where it does not", async () => {
    const { id, email } = first;
    let { sessionId } = await opened(email);
    for (const spelling of [id, ...SPELLINGS[type.idType](id)]) {
      const user = await host.app.get(UserDirectory, { strict: false }).findById(spelling);
      const told = [
        await administer('GET', spelling, 'sessions'),
        await administer('DELETE', spelling, 'sessions'),
        await administer('POST', spelling, 'rotations', { reason: 'a test' }),
      ];
      const answers = told.map(({ status, body }) => [spelling, status, body as unknown]);
      if (user !== null) {
        expect(answers).toMatchObject([
          [spelling, 200, { items: [{ id: sessionId }] }],
          [spelling, 200, { revokedSessions: 1 }],
          [spelling, 201, { userId: id }],
        ]);
        ({ sessionId } = await opened(email));
      } else if (joined && encodeURIComponent(spelling).length > FASTIFY_PARAMETER) {
        expect(told.map(({ status }) => status)).toEqual([414, 414, 414]);
      } else {
        expect(answers).toMatchObject([
          [spelling, 200, { items: [] }],
          [spelling, 200, { revokedSessions: 0 }],
          [spelling, 404, { code: 'user_not_found' }],
        ]);
      }
      expect(await live(id)).toMatchObject([{ id: sessionId }]);
    }
  });

  it.each([
    ['a NUL', '%00', 400],
    ['a NUL after a number', '7%00', 400],
    ['a line feed', 'a%0Ab', 400],
    ['DEL', '%7F', 400],
    ['a control character beyond ASCII', '%C2%85', 400],
    ['129 characters', 'x'.repeat(129), joined ? 414 : 400],
    ['nothing', '', 404],
  ])('refuses an id with %s in the path, names the rule, and records nothing', async (_, written, status) => {
    const events = () => query('SELECT id FROM ratchet.auth_events');
    const before = await events();
    for (const [method, route, body] of [
      ['GET', 'sessions'],
      ['DELETE', 'sessions'],
      ['POST', 'rotations', { reason: 'a test' }],
    ] as const) {
      const answer = await host.ask(method, `/admin/users/${written}/${route}`, body, admin.accessToken);
      expect(answer.status).toBe(status);
      if (status === 400)
        expect(answer.body.errors).toEqual([{ path: 'id', message: expect.stringMatching(/^id must /) }]);
    }
    expect(await events()).toEqual(before);
  });

  it.each(['%', '%f', '%ff', '%ED%A0%80'])('answers 400 for an id that is no text: %s', async (written) => {
    expect(await host.ask('GET', `/admin/users/${written}/sessions`, undefined, admin.accessToken)).toMatchObject({
      status: 400,
    });
  });

  it('has kept each id as the table spells it, and of an unknown user as it was asked', async () => {
    const people = (await query<{ id: string }>('SELECT id::text FROM people')).map(({ id }) => id);
    const kept = (sql: string) => query<{ id: string }>(sql).then((rows) => rows.map(({ id }) => id));
    const named = await kept('SELECT DISTINCT user_id AS id FROM ratchet.auth_events WHERE user_id IS NOT NULL');
    const unknown = SPELLINGS[type.idType](first.id);
    expect(named.filter((id) => !people.includes(id) && !unknown.includes(id))).toEqual([]);
    expect(named).toEqual(expect.arrayContaining([first.id, admin.id]));
    for (const id of await kept('SELECT DISTINCT user_id AS id FROM ratchet.sessions')) expect(people).toContain(id);
    for (const id of await kept(
      `SELECT DISTINCT details ->> 'actorId' AS id FROM ratchet.auth_events WHERE details ? 'actorId'`,
    ))
      expect([admin.id, null]).toContain(id);
  });
});
