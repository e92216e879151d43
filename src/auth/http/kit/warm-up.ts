import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { rules } from './rules';

/** After the first probes: a load balancer waits for their answers, and sends requests after them. */
const DELAY_MS = 1000;

/** Loads what the first request would have to wait for, once the server has answered that it is there. */
@Injectable()
export class WarmUp implements OnApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;

  constructor(adapterHost: HttpAdapterHost) {
    adapterHost.listen$.subscribe(() => {
      this.timer = setTimeout(() => rules.apply(), DELAY_MS).unref();
    });
  }

  onApplicationShutdown(): void {
    clearTimeout(this.timer);
  }
}
