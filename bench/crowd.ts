import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Section } from './report';
import type { Setting } from './setting';
import { round, shortCount, whole } from './support/figures';
import { Connection } from './support/http-client';
import type { Database } from './support/postgres';
import { type ServerProcess, startServer } from './support/server-process';
import { KEYS, ratchet } from './support/servers';
import { ratchetToken, seedSessionsOf } from './support/sessions';

const ADMIN = { email: 'admin@example.com', password: 'a long admin passphrase' };
const PASSWORD = 'a long enough passphrase';
const ENV = {
  MAX_SESSIONS_PER_USER: '0', // a login must not end the crowd
  REGISTRATION_ENABLED: 'true',
  BCRYPT_COST: '10', // a password change hashes twice, which is no work that grows
  BOOTSTRAP_ADMIN_EMAIL: ADMIN.email,
  BOOTSTRAP_ADMIN_PASSWORD: ADMIN.password,
};

interface Person {
  readonly id: string;
  readonly account: { readonly email: string; readonly password: string };
}

type Send = (method: string, path: string, body?: object, bearer?: string) => Promise<Record<string, string>>;
/** Prepares an ending, and returns the request whose answer is timed. */
type Ending = (send: Send, person: Person) => Promise<() => Promise<unknown>>;

const logIn = async (send: Send, account: Person['account']): Promise<string> =>
  (await send('POST', '/auth/login', account)).accessToken ?? '';

const firstToken = ratchetToken(KEYS.refreshRoot);

/** Rotates a session twice and presents its first token: an older generation is a theft without any wait. */
async function reuse(send: Send, session: number): Promise<() => Promise<unknown>> {
  const stolen = firstToken(session);
  const { refreshToken } = await send('POST', '/auth/refresh', { refreshToken: stolen });
  await send('POST', '/auth/refresh', { refreshToken });
  return () => send('POST', '/auth/refresh', { refreshToken: stolen });
}

const ENDINGS: Readonly<Record<string, Ending>> = {
  deactivation: async (send, { id }) => {
    const admin = await logIn(send, ADMIN);
    return () => send('PATCH', `/admin/users/${id}`, { isActive: false }, admin);
  },
  'log-out everywhere': async (send, { account }) => {
    const bearer = await logIn(send, account);
    return () => send('POST', '/auth/logout-all', undefined, bearer);
  },
  'password change': async (send, { account }) => {
    const bearer = await logIn(send, account);
    const body = { currentPassword: account.password, newPassword: `${account.password}, renewed` };
    return () => send('POST', '/auth/password', body, bearer);
  },
  "administrator's end": async (send, { id }) => {
    const admin = await logIn(send, ADMIN);
    return () => send('DELETE', `/admin/users/${id}/sessions`, undefined, admin);
  },
  'second reuse': async (send) => {
    await (
      await reuse(send, 0)
    )();
    return reuse(send, 1);
  },
};

/** How long it takes to stop a user, with few sessions and with a crowd of them. */
export async function crowd({ postgres, tell }: Setting, sessions: number): Promise<Section> {
  const database = await postgres.create('crowd', 'migrated');
  const server = await startServer(ratchet(postgres.folder, database.url, ENV));
  const few = 2;
  const found = [];
  for (const [name, ending] of Object.entries(ENDINGS)) {
    tell(`${name}: ${few} and ${whole(sessions)} sessions`);
    const alone = await timed(database, server, ending, few);
    found.push({ name, alone, crowded: await timed(database, server, ending, sessions) });
  }
  await server.stop();
  return {
    name: 'crowd',
    command: `npm run bench -- --crowd ${shortCount(sessions)}`,
    budget: found.map(({ name, crowded }) => ({
      figure: `${name}, ${whole(sessions)} live sessions of the user`,
      value: crowded.answeredMs,
      must: 1000,
      aim: 200,
      better: 'lower',
      digits: 0,
      unit: 'ms',
    })),
    tables: [
      {
        title: 'Until the answer, and until every row is marked',
        columns: ['ending', `${few} sessions, ms`, `${whole(sessions)} sessions, ms`, 'marked after s'],
        rows: found.map(({ name, alone, crowded }) => [
          name,
          round(alone.answeredMs, 0),
          round(crowded.answeredMs, 0),
          round(crowded.markedMs / 1000, 1),
        ]),
      },
    ],
  };
}

/** One ending of a new user with that many sessions, the only ones in the table. */
async function timed({ client }: Database, server: ServerProcess, ending: Ending, sessions: number) {
  const connection = await Connection.open(server.url);
  const send: Send = async (method, path, body, bearer) => {
    const headers = [
      ...(body === undefined ? [] : ['Content-Type: application/json']),
      ...(bearer === undefined ? [] : [`Authorization: Bearer ${bearer}`]),
    ];
    const lines = headers.map((line) => `${line}\r\n`).join('');
    const answer = await connection.send(method, path, lines, body === undefined ? '' : JSON.stringify(body));
    if (answer.status >= 500) throw new Error(`${method} ${path} was answered ${answer.status}: ${answer.body}`);
    return answer.body === '' ? {} : (JSON.parse(answer.body) as Record<string, string>);
  };
  const account = { email: `${randomUUID()}@example.com`, password: PASSWORD };
  const { id = '' } = await send('POST', '/auth/register', account);
  await client.query('TRUNCATE sessions');
  await seedSessionsOf(client, id, sessions);
  const end = await ending(send, { id, account });

  const startedAt = performance.now();
  await end();
  const answeredMs = performance.now() - startedAt;
  while ((await unmarked(client, id)) > 0) await delay(50);
  connection.close();
  return { answeredMs, markedMs: performance.now() - startedAt };
}

async function unmarked(client: Database['client'], userId: string): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    `SELECT count(*)::integer AS count FROM sessions JOIN user_token_versions USING (user_id)
      WHERE user_id = $1 AND token_version < ended_below AND revoked_at IS NULL`,
    [userId],
  );
  return rows[0]?.count ?? 0;
}
