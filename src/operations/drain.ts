import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';

/** The time between the first signal and the close: requests are still served, while proxies learn to send no more of them. */
@Injectable()
export class Drain {
  private begun = false;

  get hasBegun(): boolean {
    return this.begun;
  }

  /** From now on readiness is 503, and every answer closes its connection, so that no request meets a connection that ends. */
  begin(server: Server): void {
    this.begun = true;
    // Before the framework's listener, which may answer at once.
    server.prependListener('request', (_request: IncomingMessage, response: ServerResponse) =>
      response.setHeader('Connection', 'close'),
    );
  }
}
