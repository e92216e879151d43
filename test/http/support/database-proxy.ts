import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { atPort, serverOf } from '../../support/network/database-proxy';

/** Stands between the application and its database, and fails as networks and servers do. */
export interface DatabaseProxy {
  readonly url: string;
  /** Ends every connection, and takes no new one until {@link up}. */
  down(): void;
  /** Keeps every connection and lets nothing through: those of before and until {@link up} stay mute for ever. */
  silence(): void;
  up(): void;
  /**
   * Ends the connection on which the next message that holds `text` comes from the application: before the database has
   * seen it, or after the database has answered, when nobody else has seen the answer.
   */
  cut(when: 'before' | 'after', text: string): void;
  close(): Promise<void>;
}

const READY_FOR_QUERY = Buffer.from([0x5a, 0, 0, 0, 5]);

export async function startDatabaseProxy(databaseUrl: string): Promise<DatabaseProxy> {
  const sockets = new Set<Socket>();
  let state: 'up' | 'down' | 'silent' = 'up';
  let planned: { when: 'before' | 'after'; text: string } | null = null;

  const server = createServer((client) => {
    if (state === 'down') {
      client.destroy();
      return;
    }
    const upstream = connect(serverOf(databaseUrl));
    let dropping = false;
    const end = () => {
      client.destroy();
      upstream.destroy();
      sockets.delete(client);
      sockets.delete(upstream);
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', end).on('close', end);
      if (state === 'silent') socket.pause();
    }
    client.on('data', (message) => {
      const hit = planned !== null && message.includes(planned.text);
      const when = hit ? planned?.when : undefined;
      if (hit) planned = null;
      if (when === 'before') {
        end();
        return;
      }
      dropping ||= when === 'after';
      upstream.write(message);
    });
    upstream.on('data', (message) => {
      if (!dropping) client.write(message);
      else if (message.includes(READY_FOR_QUERY)) end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const down = () => {
    state = 'down';
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: atPort(databaseUrl, (server.address() as AddressInfo).port),
    down,
    silence: () => {
      state = 'silent';
      for (const socket of sockets) socket.pause();
    },
    up: () => {
      state = 'up';
    },
    cut: (when, text) => {
      planned = { when, text };
    },
    close: async () => {
      down();
      server.close();
      await once(server, 'close');
    },
  };
}
