import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { atPort, serverOf } from '../support/network/database-proxy';

export type When = 'before' | 'after';

/**
 * Stands in front of PostgreSQL and counts what the application says to it, message by message of the protocol: parse,
 * bind, execute, sync, query. It can end the connection before or after any of them.
 */
export class MessageProxy {
  /** Messages since the last `arm`. */
  count = 0;
  /** Whether the planned cut has happened. */
  hasCut = false;
  private plan: { readonly when: When; readonly at: number } | null = null;
  private counting = false;
  private readonly sockets = new Set<Socket>();

  private constructor(
    readonly url: string,
    private readonly server: ReturnType<typeof createServer>,
  ) {}

  static async start(databaseUrl: string): Promise<MessageProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new MessageProxy(atPort(databaseUrl, (server.address() as AddressInfo).port), server);
    server.on('connection', (client) => proxy.relay(client, connect(serverOf(databaseUrl))));
    return proxy;
  }

  /** Counts from now on, and cuts at the `at`th message; without a plan it only counts. */
  arm(plan: { readonly when: When; readonly at: number } | null): void {
    Object.assign(this, { count: 0, hasCut: false, plan, counting: true });
  }

  disarm(): void {
    this.plan = null;
    this.counting = false;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private relay(client: Socket, upstream: Socket): void {
    let waiting = Buffer.alloc(0);
    let greeted = false;
    let mute = false;
    const end = () => {
      for (const socket of [client, upstream]) {
        socket.destroy();
        this.sockets.delete(socket);
      }
    };
    for (const socket of [client, upstream]) {
      this.sockets.add(socket);
      socket.on('error', end).on('close', end);
    }
    upstream.on('data', (bytes) => {
      if (mute)
        end(); // the server has done it, and nobody hears of it
      else client.write(bytes);
    });
    client.on('data', (bytes) => {
      // What looks for revocations once a second is no part of what is counted.
      const counted = this.counting && !bytes.includes('ratchet: revocation poll');
      waiting = Buffer.concat([waiting, bytes]);
      for (;;) {
        // The greeting alone has no type before its length.
        const head = greeted ? 1 : 0;
        const size = waiting.length < head + 4 ? Infinity : head + waiting.readInt32BE(head);
        if (waiting.length < size || mute) return;
        const message = waiting.subarray(0, size);
        waiting = waiting.subarray(size);
        const type = greeted ? String.fromCharCode(message[0]!) : '';
        greeted = true;
        const isCut = counted && type !== '' && ++this.count === this.plan?.at;
        if (!isCut) {
          upstream.write(message);
          continue;
        }
        this.hasCut = true;
        if (this.plan?.when === 'before') {
          end();
          return;
        }
        mute = true;
        upstream.write(message);
        // Only these two are answered by themselves; whatever else was said dies with the connection.
        if (type !== 'S' && type !== 'Q') upstream.end();
      }
    });
  }
}
