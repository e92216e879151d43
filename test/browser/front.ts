import { once } from 'node:events';
import { createServer as createSecureServer } from 'node:https';
import {
  createServer,
  request as forward,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

interface Answer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer | string;
}

/** A refresh on its way through the front. */
export class Refresh {
  /** Once the server has answered, whether or not that reached the client. */
  answer: Answer | undefined;

  constructor(
    readonly path: string,
    readonly headers: IncomingHttpHeaders,
    private readonly response: ServerResponse,
    private readonly serve: () => Promise<Answer>,
  ) {}

  get key(): string | undefined {
    return this.headers['idempotency-key'] as string | undefined;
  }

  /** The refresh token that was answered, in the body or as the cookie. */
  get successor(): string | undefined {
    const text = `${String(this.answer?.body)} ${String(this.answer?.headers['set-cookie'])}`;
    return /rt1_[\w-]{92}/.exec(text)?.[0];
  }

  async reachServer(): Promise<this> {
    this.answer = await this.serve();
    return this;
  }

  deliver({ status, headers, body }: Answer = this.answer!): void {
    this.response.writeHead(status, headers).end(body);
  }

  /** The connection ends with no byte of an answer. */
  cut(): void {
    this.response.destroy();
  }

  /** The connection ends after the headers and half of the body. */
  async cutInTheMiddle(): Promise<void> {
    const { status, headers, body } = this.answer!;
    this.response.writeHead(status, headers);
    await new Promise((sent) => this.response.write(body.slice(0, body.length / 2), sent));
    this.response.destroy();
  }
}

/** The routes that refresh a session. */
const REFRESHES = /^\/auth\/(?:refresh|reauthenticate|dbsc\/refresh)$/;

type Fate = (refresh: Refresh) => unknown;

const PAGE = `<!doctype html>
<title>Session</title>
<script type="module">
  import { createSession } from '/browser/index.mjs';
  globalThis.createSession = createSession;
  globalThis.signedOut = 0;
  globalThis.session = createSession({
    refreshUrl: '/auth/refresh',
    delivery: new URLSearchParams(location.search).get('delivery'),
  });
  globalThis.atOnce = session.current;
  session.onChange((current) => current ?? signedOut++);
</script>`;

/** Serves the application's own routes, and a page with a session; what happens to refreshes is up to the test. */
export class Front {
  /** Every refresh that a client has sent, in order. */
  refreshes: Refresh[] = [];
  /** What happens to the next ones, one each; after these they pass. */
  fates: Fate[] = [];
  /** How many were on their way at once. */
  mostAtOnce = 0;
  /** Sees each answer that passes. */
  beforeDelivery: (answer: Answer) => void = () => undefined;
  /** What happens before the registration of a device's key reaches the server. */
  onRegistration: () => Promise<void> = async () => undefined;
  target = '';
  private atOnce = 0;
  private readonly server: Server;

  /** @param scripts Modules by their paths. @param certificate For https. */
  constructor(
    private readonly scripts: ReadonlyMap<string, string> = new Map(),
    certificate?: { readonly key: string; readonly cert: string },
  ) {
    const handle = (request: IncomingMessage, response: ServerResponse): void => void this.handle(request, response);
    this.server = certificate === undefined ? createServer(handle) : createSecureServer(certificate, handle);
  }

  async listen(): Promise<number> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  reset(): void {
    this.refreshes = [];
    this.fates = [];
    this.mostAtOnce = 0;
    this.beforeDelivery = () => undefined;
    this.onRegistration = async () => undefined;
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url?.startsWith('/?')) {
      response.setHeader('Content-Type', 'text/html').end(PAGE);
      return;
    }
    const script = this.scripts.get(request.url ?? '');
    if (script !== undefined) {
      response.setHeader('Content-Type', 'text/javascript').end(script);
      return;
    }
    // On a connection that it has used before, Chromium itself sends again what was cut; the helper's own retries are meant.
    response.shouldKeepAlive = false;
    const body = await buffer(request);
    const refresh = new Refresh(request.url ?? '', request.headers, response, () => this.forward(request, body));
    if (!REFRESHES.test(request.url ?? '')) {
      if (request.url === '/auth/dbsc/register') await this.onRegistration();
      const { answer } = await refresh.reachServer();
      this.beforeDelivery(answer!);
      refresh.deliver();
      return;
    }

    this.refreshes.push(refresh);
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.atOnce);
    response.once('close', () => this.atOnce--);
    const fate = this.fates.shift() ?? pass;
    await fate(refresh);
  }

  private async forward({ method, url, headers }: IncomingMessage, body: Buffer): Promise<Answer> {
    const request = forward(this.target + url!, { method: method!, headers });
    request.end(body);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const { connection: _, 'keep-alive': __, ...kept } = response.headers;
    return { status: response.statusCode!, headers: kept, body: await buffer(response) };
  }
}

const pass: Fate = async (refresh) => (await refresh.reachServer()).deliver();

/** The three places where a wire breaks. */
export const lostOnTheWayThere: Fate = (refresh) => refresh.cut();
export const lostOnTheWayBack: Fate = async (refresh) => (await refresh.reachServer()).cut();
export const lostInTheMiddle: Fate = async (refresh) => (await refresh.reachServer()).cutInTheMiddle();

export const answered =
  (status: number, headers: OutgoingHttpHeaders = {}): Fate =>
  (refresh) =>
    refresh.deliver({ status, headers, body: '' });

/** Answered by the server, and on its way back until `release`; `reached` once the server has answered. */
export function held() {
  const [reached, arrive] = event();
  const [released, release] = event();
  const fate: Fate = async (refresh) => {
    await refresh.reachServer();
    arrive();
    await released;
    refresh.deliver();
  };
  return { fate, reached, release };
}

function event(): [Promise<void>, () => void] {
  let happen!: () => void;
  return [new Promise<void>((resolve) => (happen = resolve)), happen];
}
