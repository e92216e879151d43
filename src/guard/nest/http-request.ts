import type { IncomingHttpHeaders } from 'node:http';
import type { ExecutionContext } from '@nestjs/common';
import type { Principal } from '../principal';

/** What auth reads of a request, on Fastify and on Express; `raw` is Fastify's way to Node's own request. */
export interface HttpRequest {
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders?: readonly string[];
  readonly raw?: { readonly rawHeaders: readonly string[] };
  readonly ip?: string | undefined;
  /** The principal of the access token, after a guard has accepted the request. */
  user?: Principal;
}

/** What the guard and the handler of one call both get: the request, the socket, the context of GraphQL. */
export const carrierOf = (context: ExecutionContext): { user?: Principal } =>
  context.getArgByIndex(context.getType<string>() === 'graphql' ? 2 : 0);

const BEARER = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

/**
 * The access token of the `Authorization` header, and of nowhere else (RFC 6750 section 2.1). Undefined without bearer
 * credentials; empty, so never valid, when they are malformed or there are two such headers.
 */
export function bearerOf({ headers, rawHeaders, raw }: HttpRequest): string | undefined {
  const { authorization } = headers;
  if (authorization === undefined || !/^Bearer(?: |$)/i.test(authorization)) return undefined;
  // Node silently keeps the first of several; a proxy in front may have looked at another one.
  return isRepeated('authorization', raw?.rawHeaders ?? rawHeaders ?? [])
    ? ''
    : (BEARER.exec(authorization)?.[1] ?? '');
}

/** Whether the request has a header more than once; `rawHeaders` are names and values in turn. */
function isRepeated(wanted: string, rawHeaders: readonly string[]): boolean {
  let times = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name?.length === wanted.length && name.toLowerCase() === wanted) times++;
  }
  return times > 1;
}

/** RFC 6750 section 3: no error code for a request without a token. */
export const challengeFor = (request: HttpRequest): string =>
  bearerOf(request) === undefined ? 'Bearer' : 'Bearer error="invalid_token"';
