import { randomBytes } from 'node:crypto';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { platform } from 'node:os';
import { text as textOf } from 'node:stream/consumers';
import { type Command, InvalidArgumentError } from 'commander';
import type * as Users from '../../users';
import { messageOf } from '../../support/message-of';
import { EXIT, Failure } from '../failure';
import type { Shell } from '../shell';

/** A part of the drill, as those saw it who took part. */
interface Scene {
  readonly scene: string;
  readonly client: readonly string[];
  /** Nobody, in a scene without one. */
  readonly thief: readonly string[];
  /** The types of the session's events in the audit trail, oldest first. */
  readonly trail: readonly string[];
  /** Where the console draws the session. */
  readonly picture: string;
}

interface Reply {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

interface Pair {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly sessionId: string;
  readonly generation: number;
}

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
const NEWER_FIREFOX = FIREFOX.replaceAll('140.0', '141.0');
const THIEF = 'curl/8.14.1';

const password = 'a passphrase for a drill';

export function drill(program: Command, shell: Shell): void {
  program
    .command('drill')
    .description('play a lost answer, two tabs, a theft and a cut-off on a development instance')
    .option('--url <url>', 'where the instance is', originOf, 'http://127.0.0.1:3000')
    .action(async ({ url }: { url: string }) => {
      const scenes = await shell.unlessInterrupted(() => play(url));
      shell.print({ scenes }, scenes.map(inWords).join('\n\n'));
    });
}

function originOf(written: string): string {
  if (!URL.canParse(written) || !/^https?:/.test(written))
    throw new InvalidArgumentError('must be an http or https URL');
  return new URL(written).origin;
}

async function play(url: string): Promise<Scene[]> {
  const operator = new Party(url, 'ratchet drill');
  // Only now: it brings routes along.
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  const { DEMO_ACCOUNTS } = require('../../users') as typeof Users;
  const [{ email, password: known }] = DEMO_ACCOUNTS;
  const login = await operator.post('/auth/login', { email, password: known });
  if (login.status !== 200)
    throw new Failure(
      `${url} is no development instance: its demo administrator cannot sign in, and a drill is for no other place`,
    );
  const admin = login.body as unknown as Pair;
  try {
    const account = { email: `drill-${randomBytes(6).toString('hex')}@example.com`, password };
    const { status, body } = await operator.post('/auth/register', account);
    if (status !== 201) throw new Failure(`A scratch user cannot be registered: the answer is ${status}`);
    const stage = new Stage(url, operator, admin, account, String(body.id));
    return [await lostAnswer(stage), await twoTabs(stage), await theft(stage), await cutOff(stage)];
  } finally {
    await operator.post('/auth/logout', { refreshToken: admin.refreshToken });
  }
}

async function lostAnswer(stage: Stage): Promise<Scene> {
  const client = await stage.signIn('Firefox on the laptop');
  await client.refresh();
  const key = newKey();
  const lost = await client.send(key);
  const again = await client.send(key);
  client.keep(again);
  return stage.scene('A lost answer', client, {
    client: [
      `sent refresh ${lost.generation} with an Idempotency-Key; the answer was lost`,
      `sent the same again with the same key: 200, ${lost.refreshToken === again.refreshToken ? 'the identical' : 'another'} refresh token`,
    ],
  });
}

async function twoTabs(stage: Stage): Promise<Scene> {
  const client = await stage.signIn('Firefox, two tabs');
  const [one, other] = await Promise.all([client.send(), client.send()]);
  client.keep(one);
  client.keep(await client.send());
  return stage.scene('Two tabs', client, {
    client: [
      'two tabs sent the same refresh token at the same moment, without a key',
      `both: 200, ${one.refreshToken === other.refreshToken ? 'the identical' : 'another'} refresh token; nobody was signed out`,
    ],
  });
}

async function theft(stage: Stage): Promise<Scene> {
  const client = await stage.signIn('Firefox on the laptop');
  for (let time = 0; time < 3; time++) await client.refresh();
  const stolen = client.pair.refreshToken;
  await client.refresh();
  const key = newKey();
  await client.send(key);
  client.keep(await client.send(key));
  await client.refresh(newKey(), NEWER_FIREFOX);
  await client.refresh(newKey(), NEWER_FIREFOX);
  const thief = new Party(stage.url, THIEF, '127.0.0.66');
  const presented = await thief.post('/auth/refresh', { refreshToken: stolen });
  const next = await client.party.post('/auth/refresh', { refreshToken: client.pair.refreshToken });
  return stage.scene('A theft', client, {
    client: [
      `had exchanged its token ${client.pair.generation} times`,
      `after the thief, its next refresh: ${next.status}, ${String(next.body.recovery)}`,
    ],
    thief: [`presented a copy of an older token: ${presented.status}, ${String(presented.body.recovery)}`],
  });
}

async function cutOff(stage: Stage): Promise<Scene> {
  const client = await stage.signIn('Firefox on the laptop');
  await client.refresh();
  const rotation = await stage.operator.post(
    `/admin/users/${stage.userId}/rotations`,
    { reason: 'A drill' },
    { Authorization: `Bearer ${stage.admin.accessToken}` },
  );
  if (rotation.status !== 201) throw new Failure(`The cut-off was answered ${rotation.status}`);
  const next = await client.party.post('/auth/refresh', { refreshToken: client.pair.refreshToken });
  return stage.scene('A cut-off', client, {
    client: [
      `an administrator refused all tokens of the user below version ${String(rotation.body.newVersion)}`,
      `the next refresh: ${next.status}, ${String(next.body.recovery)}`,
    ],
  });
}

/** The instance, the administrator who looks at the trail, and the scratch user. */
class Stage {
  constructor(
    readonly url: string,
    readonly operator: Party,
    readonly admin: Pair,
    private readonly account: { readonly email: string; readonly password: string },
    readonly userId: string,
  ) {}

  async signIn(deviceName: string): Promise<Client> {
    const party = new Party(this.url, FIREFOX);
    const { status, body } = await party.post('/auth/login', { ...this.account, deviceName });
    if (status !== 200) throw new Failure(`The scratch user cannot sign in: the answer is ${status}`);
    return new Client(party, body as unknown as Pair);
  }

  async scene(name: string, { pair }: Client, seen: Pick<Scene, 'client'> & Partial<Scene>): Promise<Scene> {
    const path = `/admin/sessions/${pair.sessionId}/history`;
    const { status, body } = await this.operator.get(path, { Authorization: `Bearer ${this.admin.accessToken}` });
    if (status !== 200) throw new Failure(`The history was answered ${status}`);
    const trail = (body.items as { type: string }[]).map(({ type }) => type);
    const picture = `${this.url}/console/#/sessions/${pair.sessionId}`;
    return { scene: name, client: seen.client, thief: seen.thief ?? [], trail, picture };
  }
}

/** A client that keeps its newest pair. */
class Client {
  constructor(
    readonly party: Party,
    public pair: Pair,
  ) {}

  /** One refresh with the newest token, whose answer is not kept. */
  async send(key?: string, agent?: string): Promise<Pair> {
    const headers = { ...(key && { 'Idempotency-Key': key }), ...(agent && { 'User-Agent': agent }) };
    const { status, body } = await this.party.post('/auth/refresh', { refreshToken: this.pair.refreshToken }, headers);
    if (status !== 200) throw new Failure(`A refresh was answered ${status}: ${JSON.stringify(body)}`);
    return body as unknown as Pair;
  }

  keep(pair: Pair): void {
    this.pair = pair;
  }

  async refresh(key: string | undefined = newKey(), agent?: string): Promise<void> {
    this.keep(await this.send(key, agent));
  }
}

/** Somebody with a user agent, and on Linux with an address of the loopback network. */
class Party {
  constructor(
    private readonly url: string,
    private readonly agent: string,
    private readonly address?: string,
  ) {}

  get(path: string, headers: Readonly<Record<string, string>>): Promise<Reply> {
    return this.ask('GET', path, headers);
  }

  post(path: string, body: object, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
    return this.ask('POST', path, { 'Content-Type': 'application/json', ...headers }, JSON.stringify(body));
  }

  private async ask(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    body?: string,
  ): Promise<Reply> {
    const { url, agent, address } = this;
    const isOwn = address !== undefined && platform() === 'linux' && /^http:\/\/127\./.test(url);
    const send = url.startsWith('https:') ? requestHttps : requestHttp;
    try {
      return await new Promise<Reply>((resolve, reject) => {
        const sent = send(
          url + path,
          { method, headers: { 'User-Agent': agent, ...headers }, ...(isOwn && { localAddress: address }) },
          (response) => {
            textOf(response)
              .then((text) => {
                const parsed = text === '' ? {} : (JSON.parse(text) as Reply['body']);
                resolve({ status: response.statusCode ?? 0, body: parsed });
              })
              .catch(reject);
          },
        );
        sent.on('error', reject);
        sent.end(body);
      });
    } catch (error) {
      throw new Failure(`${url} does not answer: ${messageOf(error)}; npm run up starts an instance`, EXIT.dependency, {
        cause: error,
      });
    }
  }
}

const newKey = (): string => randomBytes(24).toString('base64url');

function inWords({ scene, client, thief, trail, picture }: Scene): string {
  const lines = (name: string, texts: readonly string[]) => texts.map((text) => `  ${name.padEnd(8)} ${text}`);
  const shortened = trail.map((type) => type.replace(/^auth\.|\.v\d+$/g, ''));
  return [
    scene,
    ...lines('client', client),
    ...lines('thief', thief),
    ...lines('trail', inRows(shortened)),
    ...lines('picture', [picture]),
  ].join('\n');
}

/** Texts in a row, at most about 90 characters each. */
function inRows(texts: readonly string[]): string[] {
  const rows: string[] = [];
  for (const text of texts) {
    const last = rows.at(-1);
    if (last !== undefined && last.length + text.length < 90) rows[rows.length - 1] = `${last}, ${text}`;
    else rows.push(text);
  }
  return rows;
}
