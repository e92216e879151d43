import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net';

/** Stands on a port of its own in front of a server, and can do to its connections what a network does. */
export class TcpProxy {
  private readonly pairs = new Set<readonly [Socket, Socket]>();
  private silent = false;
  /** Connections so far. */
  accepted = 0;
  /** How long answers are held back. */
  delayMs = 0;
  /** Requests of which nothing arrives. */
  swallows: (request: Buffer) => boolean = () => false;

  private constructor(
    private readonly server: Server,
    readonly port: number,
    private target: NetConnectOpts,
  ) {
    server.on('connection', (client) => this.relay(client));
  }

  static async start(target: NetConnectOpts): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(server, (server.address() as AddressInfo).port, target);
  }

  /** Accepts, and then neither passes anything on nor ever closes: what a firewall makes of connections that it forgets. */
  silence(): void {
    this.silent = true;
  }

  /** Refuses and resets: the machine is there, the server is not. */
  async refuse(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.reset();
    await closed;
  }

  /** After `silence` or `refuse`, on the same port, possibly to a server that has moved. */
  async restore(target = this.target): Promise<void> {
    this.target = target;
    this.silent = false;
    this.reset();
    if (this.server.listening) return;
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
  }

  async close(): Promise<void> {
    if (this.server.listening) await this.refuse();
    this.reset();
  }

  private reset(): void {
    for (const pair of this.pairs) for (const socket of pair) socket.destroy();
    this.pairs.clear();
  }

  private relay(client: Socket): void {
    this.accepted++;
    const upstream = connect({ ...this.target, allowHalfOpen: true });
    const pair = [client, upstream] as const;
    this.pairs.add(pair);
    for (const [from, to] of [pair, [upstream, client] as const]) {
      from.on('error', () => undefined); // its close follows
      from.on('data', (bytes: Buffer) => this.pass(bytes, from === client, to));
      from.on('end', () => !this.silent && to.end());
      from.on('close', () => {
        if (!this.silent) to.destroy();
      });
    }
  }

  private pass(bytes: Buffer, isRequest: boolean, to: Socket): void {
    if (this.silent || (isRequest && this.swallows(bytes))) return;
    if (isRequest || this.delayMs === 0) to.write(bytes);
    else setTimeout(() => !this.silent && to.writable && to.write(bytes), this.delayMs).unref();
  }
}
