import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Section } from './report';
import { inRounds, type Setting } from './setting';
import { median, medianOf, ratio, round, type Sample, throughput, whole } from './support/figures';
import { Connection, type HttpAnswer } from './support/http-client';
import { isRenewal, type Workload } from './support/jobs';
import type { Database } from './support/postgres';
import { measure } from './support/measure';
import { type ServerProcess, startServer } from './support/server-process';
import { KEYS, ratchet } from './support/servers';
import { ratchetToken, seedSessions } from './support/sessions';

const CLIENTS = 16;
/** Each of the peers opens them one by one. The last ones are raced for. */
const SESSIONS = 1000;
const PRESENTATIONS = 50;
const RACES = 5;

/** How a credential is presented, and what comes back. */
interface Protocol {
  present(credential: string): [method: string, path: string, headers: string, body?: string];
  /** The next credential in an answer; null in a refusal. */
  granted(answer: HttpAnswer): string | null;
}

interface Peer {
  readonly who: string;
  readonly server: ServerProcess;
  readonly database: Database;
  readonly workload: Workload;
  readonly protocol: Protocol;
  /** Credentials that no workload uses. */
  readonly spare: readonly string[];
  readonly samples: Sample[];
}

const JSON_HEADERS = 'Content-Type: application/json\r\n';
const FORM_HEADERS = 'Content-Type: application/x-www-form-urlencoded\r\n';
const CLIENT_ID = 'bench';
const RENEWAL = '/api/auth/get-session';

const ofRatchet: Protocol = {
  present: (token) => ['POST', '/auth/refresh', JSON_HEADERS, JSON.stringify({ refreshToken: token })],
  granted: ({ status, body }) => (status === 200 ? (JSON.parse(body) as { refreshToken: string }).refreshToken : null),
};
const ofOidcProvider: Protocol = {
  present: (token) => [
    'POST',
    '/token',
    FORM_HEADERS,
    `grant_type=refresh_token&client_id=${CLIENT_ID}&refresh_token=${token}`,
  ],
  granted: ({ status, body }) =>
    status === 200 ? (JSON.parse(body) as { refresh_token: string }).refresh_token : null,
};
const ofBetterAuth: Protocol = {
  present: (cookie) => ['GET', RENEWAL, `Cookie: ${cookie}\r\n`],
  // The cookie is set again with the same value.
  granted: (answer) =>
    isRenewal(answer) ? (JSON.parse(answer.body) as { session: { token: string } }).session.token : null,
};

/** Ratchet beside what people use instead, on the same PostgreSQL, in the same run. */
export async function peers(setting: Setting): Promise<Section> {
  const { rounds, tell } = setting;
  const section = { name: 'peers', command: 'npm run bench -- --peers' };
  tell('installing the peers from npm');
  const folder = join(setting.postgres.folder, 'peers');
  cpSync(join(__dirname, 'peers'), folder, { recursive: true });
  const install = ['install', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts'];
  const { status, stderr } = spawnSync('npm', install, { cwd: folder, encoding: 'utf8' });
  if (status !== 0)
    return { ...section, budget: [], tables: [], notes: [`The peers could not be installed:\n${stderr}`] };

  const product = await startRatchet(setting);
  const oidc = await startPeer(setting, folder, 'oidc-provider', ofOidcProvider, (tokens) => ({
    kind: 'oidc',
    tokens,
    clientId: CLIENT_ID,
  }));
  const betterAuth = await startPeer(setting, folder, 'better-auth', ofBetterAuth, (cookies) => ({
    kind: 'renewal',
    path: RENEWAL,
    cookies,
  }));
  const all = [product, oidc, betterAuth];

  for (const one of all) await measure(setting, one, CLIENTS);
  await inRounds(rounds, all, async (one, turn) => {
    tell(`round ${turn + 1} of ${rounds}: ${one.who}`);
    one.samples.push(await measure(setting, one, CLIENTS));
  });
  const races: string[][] = [];
  for (const one of all) {
    tell(`races: ${one.who}`);
    races.push(await raced(one));
  }
  for (const { server } of all) await server.stop();

  return {
    ...section,
    budget: [
      {
        figure: 'refresh/s ÷ oidc-provider on PostgreSQL',
        value: ratio(throughput(product.samples), throughput(oidc.samples)),
        must: 2.5,
        aim: 4,
        better: 'higher',
      },
      {
        figure: 'refresh/s ÷ better-auth session renewal',
        value: ratio(throughput(product.samples), throughput(betterAuth.samples)),
        must: 5,
        aim: 8,
        better: 'higher',
      },
    ],
    tables: [
      {
        title: `Refreshes, ${CLIENTS} clients, ${SESSIONS} sessions`,
        columns: ['who', 'requests/s', 'p50 ms', 'p99 ms', 'statements', 'CPU µs'],
        rows: all.map(({ who, samples }) => [
          who,
          whole(median(throughput(samples))),
          round(medianOf(samples, 'p50'), 2),
          round(medianOf(samples, 'p99'), 2),
          round(medianOf(samples, 'statements'), 2),
          whole(medianOf(samples, 'cpuMicros')),
        ]),
      },
      {
        title: `${PRESENTATIONS} presentations of one token at once, ${RACES} times`,
        columns: ['who', 'granted', 'different successors', 'races after which the session lives'],
        rows: races,
      },
    ],
  };
}

async function startRatchet({ postgres, load: _, tell }: Setting): Promise<Peer> {
  tell('starting Ratchet');
  const database = await postgres.create('peer_ratchet', 'migrated');
  await seedSessions(database.client, SESSIONS);
  const first = ratchetToken(KEYS.refreshRoot);
  const driven = SESSIONS - RACES;
  return {
    who: 'Ratchet',
    server: await startServer(ratchet(postgres.folder, database.url)),
    database,
    workload: { kind: 'refresh', root: KEYS.refreshRoot, sessions: driven },
    protocol: ofRatchet,
    spare: Array.from({ length: RACES }, (_, race) => first(driven + race)),
    samples: [],
  };
}

async function startPeer(
  { postgres, tell }: Setting,
  folder: string,
  name: string,
  protocol: Protocol,
  workloadOf: (credentials: readonly string[]) => Workload,
): Promise<Peer> {
  tell(`starting ${name}, and opening its sessions`);
  const database = await postgres.create(name.replace('-', '_'));
  const credentialsFile = join(folder, `${name}.json`);
  const server = await startServer({
    name,
    argv: [join(folder, `${name}.mjs`)],
    env: {
      NODE_ENV: 'production',
      DATABASE_URL: database.url,
      SESSIONS: String(SESSIONS),
      CREDENTIALS_FILE: credentialsFile,
    },
    ready: name === 'better-auth' ? RENEWAL : '/.well-known/openid-configuration',
    logFolder: postgres.folder,
  });
  const credentials = JSON.parse(readFileSync(credentialsFile, 'utf8')) as string[];
  const { version } = JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8')) as {
    version: string;
  };
  return {
    who: `${name} ${version}`,
    server,
    database,
    workload: workloadOf(credentials.slice(RACES)),
    protocol,
    spare: credentials.slice(0, RACES),
    samples: [],
  };
}

/** One token on many connections at once: how many were granted, with how many different successors, and what is left. */
async function raced({ who, server, protocol, spare }: Peer): Promise<string[]> {
  const granted: number[] = [];
  const successors: number[] = [];
  let alive = 0;
  for (const credential of spare) {
    const connections = await Promise.all(Array.from({ length: PRESENTATIONS }, () => Connection.open(server.url)));
    const present = (connection: Connection, presented: string) => connection.send(...protocol.present(presented));
    const answers = await Promise.all(connections.map((connection) => present(connection, credential)));
    const given = answers.map((answer) => protocol.granted(answer)).filter((next) => next !== null);
    granted.push(given.length);
    successors.push(new Set(given).size);
    // A session lives when one of the tokens that were given out is still good for something.
    const [connection] = connections;
    for (const next of new Set(given)) {
      const answer = connection && (await present(connection, protocol === ofBetterAuth ? credential : next));
      if (answer && protocol.granted(answer) !== null) {
        alive++;
        break;
      }
    }
    for (const each of connections) each.close();
  }
  const span = (counts: readonly number[]) =>
    Math.min(...counts) === Math.max(...counts) ? String(counts[0]) : `${Math.min(...counts)}–${Math.max(...counts)}`;
  return [who, span(granted), span(successors), `${alive} of ${RACES}`];
}
