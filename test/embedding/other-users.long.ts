import { rm } from 'node:fs/promises';
import { Client } from 'pg';
import {
  ask,
  type Host,
  type HostDatabase,
  hostDatabase,
  INSTALLATION_MS,
  installedExample,
  startHost,
} from './support/host';

jest.setTimeout(60_000);

const ANN = { email: 'ann@example.com', password: 'a long enough passphrase' };
const NEXT = 'another long passphrase';

describe('the packed package inside examples/other-users, whose people are elsewhere', () => {
  let folder: string;
  let people: HostDatabase;
  let auth: HostDatabase;
  let host: Host;

  beforeAll(async () => {
    ({ folder } = await installedExample('other-users'));
    people = await hostDatabase();
    auth = await hostDatabase();
    host = await startHost(folder, people, { AUTH_DATABASE_URL: auth.url });
  }, INSTALLATION_MS);
  afterAll(async () => {
    await host.stop();
    await people.drop();
    await auth.drop();
    await rm(folder, { recursive: true, force: true });
  });

  const at = (path: string) => host.url + path;
  const logIn = (password = ANN.password) => ask('POST', at('/auth/login'), { ...ANN, password });
  const refresh = (refreshToken: string) => ask('POST', at('/auth/refresh'), { refreshToken });

  /** The tables of one of the databases, with their schemas. */
  async function tablesOf({ url }: HostDatabase): Promise<string[]> {
    const client = new Client({ connectionString: url });
    await client.connect();
    const { rows } = await client.query<{ name: string }>(
      `SELECT DISTINCT schemaname || '.' || tablename AS name FROM pg_tables
        WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND tablename !~ '^auth_events_'`,
    );
    await client.end();
    return rows.map(({ name }) => name).sort();
  }

  it('signs its people in, guards, refreshes and signs them out', async () => {
    expect(await ask('POST', at('/people'), ANN)).toMatchObject({ status: 201 });
    expect(await ask('POST', at('/people'), ANN)).toMatchObject({ status: 409 });
    expect(await ask('GET', at('/people/me'))).toMatchObject({ status: 401 });
    const signedIn = await logIn();
    expect(signedIn).toMatchObject({ status: 200, body: { generation: 0 } });
    const { status, body } = await refresh(signedIn.body.refreshToken);
    expect([status, body.generation]).toEqual([200, 1]);
    expect(await ask('GET', at('/people/me'), undefined, body.accessToken)).toMatchObject({
      status: 200,
      body: { id: expect.stringMatching(/^[\da-f-]{36}$/) },
    });
    expect(await ask('POST', at('/auth/logout'), { refreshToken: body.refreshToken })).toMatchObject({ status: 204 });
    expect(await ask('GET', at('/people/me'), undefined, body.accessToken)).toMatchObject({ status: 401 });
  });

  it('changes a password where the people are, and ends the sessions where they are', async () => {
    const { body } = await logIn();
    const change = { currentPassword: ANN.password, newPassword: NEXT };
    const changed = await ask('POST', at('/auth/password'), change, body.accessToken);
    expect(changed).toMatchObject({ status: 200, body: { generation: 0 } });
    expect(await refresh(body.refreshToken)).toMatchObject({ status: 401 });
    expect(await refresh(changed.body.refreshToken)).toMatchObject({ status: 200 });
    expect([(await logIn()).status, (await logIn(NEXT)).status]).toEqual([401, 200]);
  });

  it('keeps the people and the sessions apart, and logs no error', async () => {
    expect(await tablesOf(people)).toEqual(['public.people']);
    const ofAuth = await tablesOf(auth);
    expect(ofAuth).toEqual(expect.arrayContaining(['ratchet.sessions', 'ratchet.auth_events']));
    expect(ofAuth.filter((name) => !name.startsWith('ratchet.'))).toEqual([]);
    expect(host.printed()).not.toMatch(/\bERROR\b/);
  });
});
