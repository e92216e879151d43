import { Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Outage } from '../../../support/outage';
import { loaded } from '../../../support/packages';

const RECONNECT_MS = 1000;
/** A connection that neither answers nor breaks is given up; its callers have stopped waiting long before. */
const SILENCE_MS = 3000;
/** What may wait for an answer: without a bound, such a server would fill the memory. */
const MAX_WAITING = 1000;

/** No request waits longer than this for Redis. */
export const PATIENCE_MS = 50;

/** Loads the client only here: it is large, and most applications have no Redis. */
const clientFor = (url: string) =>
  loaded('the option `redis`', () => require('redis') as typeof import('redis')).createClient({
    url,
    disableOfflineQueue: true,
    commandsQueueMaxLength: MAX_WAITING,
    pingInterval: SILENCE_MS / 3, // or an idle connection would look like a silent one
    socket: { connectTimeout: RECONNECT_MS, socketTimeout: SILENCE_MS, reconnectStrategy: () => RECONNECT_MS },
  });

/** The one connection to Redis. Nothing depends on it: every caller works without it. */
export class RedisConnection implements OnModuleInit, OnApplicationShutdown {
  private readonly outage = new Outage(new Logger(RedisConnection.name), 'Redis answers again');

  private constructor(
    readonly client: ReturnType<typeof clientFor>,
    readonly prefix: string,
  ) {
    this.client.on('error', (error) => this.outage.goesOn(`Redis is out of order: ${String(error)}`));
    this.client.on('ready', () => this.outage.ends());
  }

  /** Not connected yet. */
  static to(url: string, prefix: string): RedisConnection {
    return new RedisConnection(clientFor(url), prefix);
  }

  onModuleInit(): void {
    this.client.connect().catch(() => undefined); // not waited for, and tried again until it is there
  }

  onApplicationShutdown(): void {
    this.client.destroy();
  }
}
