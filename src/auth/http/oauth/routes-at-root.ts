import { Injectable, type OnApplicationBootstrap, VERSION_NEUTRAL } from '@nestjs/common';
import { type AbstractHttpAdapter, HttpAdapterHost } from '@nestjs/core';
import { OAUTH_ROUTES } from '../kit/oauth-routes';

interface Fastify {
  hasRoute(route: { method: string; url: string; constraints?: object }): boolean;
}

interface Express {
  readonly router: { readonly stack: readonly { readonly route?: { readonly path: unknown } }[] };
}

/** Stops a start in which the routes are not where the metadata says: a global prefix moves them. */
@Injectable()
export class RoutesAtRoot implements OnApplicationBootstrap {
  constructor(private readonly adapterHost: HttpAdapterHost) {}

  onApplicationBootstrap(): void {
    // A context without a server has no adapter.
    const adapter = this.adapterHost.httpAdapter as AbstractHttpAdapter | undefined;
    if (adapter === undefined || OAUTH_ROUTES.every((url) => isThere(adapter, url))) return;
    throw new Error(
      "AuthModule with `oauth: true` needs its routes at the root, where its metadata says: app.setGlobalPrefix('…', { exclude: [...OAUTH_ROUTES] })",
    );
  }
}

function isThere(adapter: AbstractHttpAdapter, url: string): boolean {
  const instance: unknown = adapter.getInstance();
  if (adapter.getType() === 'fastify') {
    const method = url.startsWith('/oauth/') ? 'POST' : 'GET';
    // Versions that are not in the path are constraints of Fastify's routes.
    return [undefined, { version: VERSION_NEUTRAL }].some((constraints) =>
      (instance as Fastify).hasRoute({ method, url, ...(constraints && { constraints }) }),
    );
  }
  return (instance as Express).router.stack.some(({ route }) => route?.path === url);
}
