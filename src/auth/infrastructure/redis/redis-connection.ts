import { Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { inTime } from '../../../support/in-time';
import { messageOf } from '../../../support/message-of';
import { Outage } from '../../../support/outage';
import { loaded } from '../../../support/packages';
import type { RedisSettings } from '../../options/auth.options';

const RECONNECT_MS = 1000;
/** A connection that neither answers nor breaks is given up; its callers have stopped waiting long before. */
const SILENCE_MS = 3000;
/** What may wait for an answer: without a bound, such a server would fill the memory. */
const MAX_WAITING = 1000;

/** No request waits longer than this for Redis. */
export const PATIENCE_MS = 50;

/** Loaded only where it is used: it is large, and most applications have no Redis. */
const library = () => loaded('the option `redis`', () => require('redis') as typeof import('redis'));

const clientFor = (url: string) =>
  library().createClient({
    url,
    disableOfflineQueue: true,
    commandsQueueMaxLength: MAX_WAITING,
    pingInterval: SILENCE_MS / 3, // or an idle connection would look like a silent one
    // Not by the client itself, which would stay with its address.
    socket: { connectTimeout: RECONNECT_MS, socketTimeout: SILENCE_MS, reconnectStrategy: false },
  });

type RedisClient = ReturnType<typeof clientFor>;

/**
 * The one connection to the master. Nothing depends on it: every caller works without it. It is made again when it is lost,
 * and when the server turns out to be a replica by now; each time the sentinels are asked which server is the master. The
 * sentinel client of the package queues commands without a bound while there is none.
 */
export class RedisConnection implements OnModuleInit, OnApplicationShutdown {
  private readonly outage = new Outage(new Logger(RedisConnection.name), 'Redis answers again');
  private client: RedisClient | null = null;
  private reconnect: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(private readonly settings: RedisSettings) {
    library(); // a package that is missing stops the start
  }

  get prefix(): string {
    return this.settings.prefix;
  }

  onModuleInit(): void {
    void this.connect(); // not waited for, and tried again until it is there
  }

  onApplicationShutdown(): void {
    this.stopped = true;
    clearTimeout(this.reconnect);
    const { client } = this;
    this.client = null;
    if (client !== null) end(client);
  }

  /** @throws Error while there is no connection, or when the server takes no writes any more */
  async run<T>(command: (client: RedisClient) => Promise<T>): Promise<T> {
    const { client } = this;
    if (client === null) throw new Error('Redis is not connected');
    try {
      return await command(client);
    } catch (error) {
      if (/\bREADONLY\b/.test(String(error))) this.lost(client, error);
      throw error;
    }
  }

  /** @throws Error unless a master answers */
  demandMaster(): Promise<void> {
    return this.run(demandMaster);
  }

  private async connect(): Promise<void> {
    try {
      const client = await openRedis(this.settings, (lost, error) => this.lost(lost, error));
      if (this.stopped) end(client);
      else this.client = client;
      this.outage.ends();
    } catch (error) {
      this.again(error);
    }
  }

  private lost(client: RedisClient, error: unknown): void {
    if (this.client !== client) return;
    this.client = null;
    end(client);
    this.again(error);
  }

  private again(error: unknown): void {
    if (this.stopped) return;
    this.outage.goesOn(`Redis is out of order: ${messageOf(error)}`);
    this.reconnect = setTimeout(() => void this.connect(), RECONNECT_MS).unref();
  }
}

/**
 * A connection to the master, whose end calls `lost` unless it is the caller's own.
 * @throws Error if there is none
 * @internal
 */
export async function openRedis(
  settings: RedisSettings,
  lost: (client: RedisClient, error: unknown) => void = () => undefined,
): Promise<RedisClient> {
  const client = clientFor(await masterOf(settings));
  client.on('error', (error) => lost(client, error));
  client.on('end', () => lost(client, new Error('the connection ended')));
  try {
    // For a moment a sentinel may still name the former master.
    await inTime(
      client.connect().then(() => demandMaster(client)),
      2 * RECONNECT_MS,
    );
    return client;
  } catch (error) {
    end(client);
    throw error;
  }
}

function end(client: RedisClient): void {
  if (client.isOpen) client.destroy();
}

/** A user without the right to ask is believed: the first command that it may not run shows a replica as well. */
async function demandMaster(client: RedisClient): Promise<void> {
  const role = await client.sendCommand(['ROLE']).catch(async (error: unknown) => {
    if (!String(error).includes('NOPERM')) throw error;
    await client.ping();
    return ['master'];
  });
  const [name] = role as unknown as [unknown];
  if (name !== 'master') throw new Error(`Redis is a ${String(name)}, and takes no writes`);
}

/** The master's address, with all else that `url` says: asked of the sentinels in turn, until one answers. */
async function masterOf({ url = 'redis://localhost', sentinels = [], master = '' }: RedisSettings): Promise<string> {
  if (sentinels.length === 0) return url;
  const { protocol } = new URL(url);
  const problems: string[] = [];
  for (const sentinel of sentinels) {
    try {
      const [host, port] = await askSentinel(`${protocol}//${sentinel}`, master);
      const address = new URL(url);
      address.hostname = host.includes(':') ? `[${host}]` : host;
      address.port = port;
      return address.href;
    } catch (error) {
      problems.push(`${sentinel}: ${messageOf(error)}`);
    }
  }
  throw new Error(`no sentinel names a master (${problems.join('; ')})`);
}

async function askSentinel(url: string, master: string): Promise<[host: string, port: string]> {
  const client = clientFor(url);
  client.on('error', () => undefined); // reported by the awaited call
  try {
    const asked = client.connect().then(() => client.sendCommand(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', master]));
    const address = (await inTime(asked, RECONNECT_MS)) as unknown;
    if (!Array.isArray(address)) throw new Error(`it knows no master ${master}`);
    return address as [string, string];
  } finally {
    end(client);
  }
}
