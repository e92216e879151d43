import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import type { Registry } from 'prom-client';

/** Milliseconds; a request that does not arrive must not keep its connection. */
const TIME_LIMITS = { requestTimeout: 10_000, headersTimeout: 10_000, connectionsCheckingInterval: 1000 };

/** `/metrics` on a port of its own, for networks in which only the main port is public. */
export class MetricsServer implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly server: Server;

  constructor(
    registry: Registry,
    private readonly port: number,
    private readonly host: string,
  ) {
    this.server = createServer(TIME_LIMITS, (request, response) => {
      if (request.method !== 'GET' || request.url?.split('?', 1)[0] !== '/metrics') {
        response.writeHead(404).end();
        return;
      }
      registry.metrics().then(
        (text) => response.setHeader('Content-Type', registry.contentType).end(text),
        () => response.writeHead(500).end(),
      );
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    this.server.listen(this.port, this.host);
    await once(this.server, 'listening');
  }

  onApplicationShutdown(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}
