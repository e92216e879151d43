import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Instance } from './instance';
import { tally } from './oracles';

interface Reply {
  readonly status: number;
  readonly body: any;
}

const PATIENCE_MS = 30_000;
const PASSWORD = 'a canary of a passphrase';

/** A client that follows the rule: one refresh in flight, its key kept until the answer is stored, retried until then. */
export class Client {
  token = '';
  sessionId = '';
  generation = 0;
  /** What nobody but the client may ever see. */
  readonly secrets: string[] = [PASSWORD];
  private turn = randomInt(2);
  private email = '';

  constructor(private readonly instances: readonly Instance[]) {}

  async signIn(): Promise<void> {
    this.email = `${randomUUID()}@example.com`;
    await this.untilAnswered('/auth/register', { email: this.email, password: PASSWORD });
    const { status, body } = await this.untilAnswered('/auth/login', { email: this.email, password: PASSWORD });
    if (status !== 200) throw new Error(`The login was answered ${status}: ${JSON.stringify(body)}`);
    Object.assign(this, { token: body.refreshToken, sessionId: body.sessionId, generation: 0 });
    this.secrets.push(this.token, body.accessToken);
  }

  /** One refresh, whatever it takes; a refusal, or silence for half a minute, has lost the session. */
  async refresh(): Promise<void> {
    const key = randomBytes(24).toString('base64url');
    const { status, body } = await this.untilAnswered('/auth/refresh', { refreshToken: this.token }, key);
    if (status !== 200 || body.sessionId !== this.sessionId || body.generation !== this.generation + 1) {
      tally.sessionsLost++;
      process.stdout.write(
        `LOST: ${this.sessionId} at ${this.generation}, answered ${status} ${JSON.stringify(body)}\n`,
      );
      await this.signIn();
      return;
    }
    if (randomInt(10) === 0) {
      // The answer is asked for once more: if it is another one, the chain has two heads.
      const again = await this.untilAnswered('/auth/refresh', { refreshToken: this.token }, key);
      if (again.status !== 200 || again.body.refreshToken !== body.refreshToken) tally.doubled++;
    }
    this.token = body.refreshToken;
    this.generation++;
    if (this.generation % 20 === 1) this.secrets.push(this.token, body.accessToken, key);
  }

  /** Sends it to one instance after the other until one answers with something else than "later". */
  private async untilAnswered(path: string, body: object, key?: string): Promise<Reply> {
    const deadline = performance.now() + PATIENCE_MS;
    while (performance.now() < deadline) {
      const instance = this.instances[this.turn++ % this.instances.length]!;
      const reply = instance.url === null ? null : await post(instance.url + path, body, key);
      if (reply !== null && ![429, 503].includes(reply.status)) {
        instance.answered++;
        // An account may have been opened by a request whose answer was lost.
        if (reply.status >= 500) tally.wrongDecisions++;
        return reply;
      }
      await delay(20);
    }
    return { status: 0, body: {} };
  }
}

/** The answer, or null when there was none. */
async function post(url: string, body: object, key: string | undefined): Promise<Reply | null> {
  tally.requests++;
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...(key !== undefined && { 'Idempotency-Key': key }) },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(8000),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? {} : JSON.parse(text) };
  } catch {
    return null;
  }
}

/** Keeps the clients refreshing while `work` goes on. What has failed in `work` is thrown before what the clients lost by it. */
export async function underLoad(clients: readonly Client[], work: () => Promise<void>): Promise<void> {
  const progress = { over: false };
  const load = Promise.all(
    clients.map(async (client) => {
      while (!progress.over) await client.refresh();
    }),
  );
  const outcomes = await Promise.allSettled([work().finally(() => (progress.over = true)), load]);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}
