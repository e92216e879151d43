import { Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { createClient } from 'redis';
import { Outage } from '../../domain/outage';

const RECONNECT_MS = 1000;
/** A server that neither answers nor breaks is given up; whoever waits for it has stopped long before. */
const SILENCE_MS = 3000;
/** What may wait for an answer: without a bound, such a server would fill the memory. */
const MAX_WAITING = 1000;

/** The one connection to Redis. Nothing depends on it: whoever uses it has a way without it. */
export class RedisConnection implements OnModuleInit, OnApplicationShutdown {
  readonly client;
  private readonly outage = new Outage(new Logger(RedisConnection.name), 'Redis answers again');

  constructor(
    url: string,
    readonly prefix: string,
  ) {
    this.client = createClient({
      url,
      disableOfflineQueue: true,
      commandsQueueMaxLength: MAX_WAITING,
      pingInterval: SILENCE_MS / 3, // or an idle connection would look like a silent one
      socket: { connectTimeout: RECONNECT_MS, socketTimeout: SILENCE_MS, reconnectStrategy: () => RECONNECT_MS },
    });
    this.client.on('error', (error) => this.outage.goesOn(`Redis is out of order: ${String(error)}`));
    this.client.on('ready', () => this.outage.ends());
  }

  onModuleInit(): void {
    this.client.connect().catch(() => undefined); // not waited for, and tried again until it is there
  }

  onApplicationShutdown(): void {
    this.client.destroy();
  }
}
