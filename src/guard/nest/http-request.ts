import type { IncomingHttpHeaders } from 'node:http';
import type { ExecutionContext } from '@nestjs/common';
import type { AccessProof } from '../access-token.authenticator';
import { PROOF_ALGORITHMS } from '../dpop';
import { isOfOwnPage, type Origins } from '../origins';
import type { Principal } from '../principal';
import { ProblemException } from './problem.exception';

/** What auth reads of a request, on Fastify and on Express; `raw` is Fastify's way to Node's own request. */
export interface HttpRequest {
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders?: readonly string[];
  readonly raw?: { readonly rawHeaders: readonly string[] };
  readonly ip?: string | undefined;
  readonly method?: string;
  /** The path and the query, whatever is mounted where. */
  readonly originalUrl?: string;
  /** The route's pattern, on Fastify. */
  readonly routeOptions?: { readonly url?: string | undefined };
  /** The route's pattern, on Express. */
  readonly route?: { readonly path?: unknown };
  /** The principal of the access token, after a guard has accepted the request. */
  user?: Principal;
}

export const WITHOUT_HEADERS: HttpRequest = { headers: {} };

/** How a Socket.IO client connects; browsers can send no header with it. */
export interface Handshake extends Pick<HttpRequest, 'headers'> {
  readonly auth?: { readonly token?: unknown };
}

/** The handshake as a request: its `auth.token` counts unless it has a bearer token in its headers. */
export function requestOfHandshake(handshake: Handshake | undefined): HttpRequest {
  const { headers, auth }: Handshake = handshake ?? WITHOUT_HEADERS;
  return bearerOf({ headers }) === undefined && typeof auth?.token === 'string'
    ? { headers: { authorization: `Bearer ${auth.token}` } }
    : { headers };
}

/** What the guard and the handler of one call both get: the request, the socket, the context of GraphQL. */
export const carrierOf = (context: ExecutionContext): { user?: Principal } =>
  context.getArgByIndex(context.getType<string>() === 'graphql' ? 2 : 0);

const BEARER = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

/**
 * The access token of the `Authorization` header (RFC 6750 section 2.1). Undefined without bearer
 * credentials; empty, so never valid, when they are malformed or there are two such headers.
 */
export function bearerOf(request: HttpRequest): string | undefined {
  const { authorization } = request.headers;
  if (authorization === undefined || !/^Bearer(?: |$)/i.test(authorization)) return undefined;
  return isAuthorizedTwice(request) ? '' : (BEARER.exec(authorization)?.[1] ?? '');
}

const DPOP = /^DPoP +([A-Za-z0-9\-._~+/]+=*)$/i;

/** An access token, and its proof where it was sent with the scheme `DPoP`. */
export interface Credentials {
  readonly token: string;
  readonly proof?: AccessProof;
}

/** The access token as a cookie that the browser renews by itself (DBSC, experimental). */
export const ACCESS_COOKIE = '__Host-access';

/**
 * The access token of a request, and its proof where it has one: of the `Authorization` header or, without credentials there, of
 * the bound cookie. Undefined without either.
 * @throws ProblemException 403 for a cookie that a page of another origin has sent, by a method that is not safe
 */
export const credentialsOf = (request: HttpRequest, origins: Origins): Credentials | undefined =>
  headerCredentialsOf(request, origins.own) ?? cookieCredentialsOf(request, origins);

/**
 * RFC 9110 section 9.2.1. What is no HTTP request, such as a handshake, has no method, and is not safe; nor is one that opens a
 * socket, of whose headers proxies leave the key alone.
 */
export const isSafe = ({ method, headers }: Pick<HttpRequest, 'method' | 'headers'>): boolean =>
  /^(?:GET|HEAD|OPTIONS|TRACE)$/.test(method ?? '') &&
  headers.upgrade === undefined &&
  headers['sec-websocket-key'] === undefined;

/** The bound cookie. @throws ProblemException 403 as {@link credentialsOf} */
export function cookieCredentialsOf(request: HttpRequest, origins: Origins): Credentials | undefined {
  const [token] = cookiesOf(request, ACCESS_COOKIE);
  if (token === undefined) return undefined;
  if (!isSafe(request)) demandOwnPage(request, origins);
  return { token };
}

/** @throws ProblemException 403 unless a page of our own, or one that may, has sent the request */
export function demandOwnPage({ headers }: HttpRequest, origins: Origins): void {
  if (!isOfOwnPage(headers, origins)) throw new ProblemException(403, { code: 'origin_refused' });
}

/** The values of all cookies of the name, in their order. */
export function cookiesOf({ headers }: HttpRequest, name: string): string[] {
  const values: string[] = [];
  for (const pair of headers.cookie?.split(';') ?? []) {
    const separator = pair.indexOf('=');
    if (separator >= 0 && pair.slice(0, separator).trim() === name) values.push(pair.slice(separator + 1).trim());
  }
  return values;
}

/**
 * The access token of the `Authorization` header: of the scheme `Bearer`, or of `DPoP` with the proof beside it, which must be for
 * this request at one of the `origins` (RFC 9449 section 7.1). Undefined without credentials of these schemes.
 */
export function headerCredentialsOf(request: HttpRequest, origins: readonly string[]): Credentials | undefined {
  const bearer = bearerOf(request);
  if (bearer !== undefined) return { token: bearer };
  const { authorization, dpop } = request.headers;
  if (authorization === undefined || !/^DPoP(?: |$)/i.test(authorization)) return undefined;
  const { method = '' } = request;
  const urls = origins.map((origin) => origin + pathOf(request));
  const token = isAuthorizedTwice(request) ? '' : (DPOP.exec(authorization)?.[1] ?? '');
  // Node joins two headers of the name by a comma, which no proof contains.
  return { token, proof: { jwt: String(dpop ?? ''), method, urls } };
}

/** The path that the request was sent to, without the query. */
export const pathOf = ({ originalUrl = '' }: HttpRequest): string => originalUrl.replace(/[?#].*$/s, '');

const AUTHORIZATION = 'authorization';

/** Whether there are two `Authorization` headers: Node silently keeps the first, and a proxy in front may have looked at another one. */
export function isAuthorizedTwice({ rawHeaders, raw }: HttpRequest): boolean {
  const namesAndValues = raw?.rawHeaders ?? rawHeaders ?? [];
  let times = 0;
  for (let at = 0; at < namesAndValues.length; at += 2) {
    const name = namesAndValues[at];
    if (name?.length === AUTHORIZATION.length && name.toLowerCase() === AUTHORIZATION) times++;
  }
  return times > 1;
}

/** RFC 6750 section 3 and RFC 9449 section 7.1: no error code for a request without a token. */
export function challengeFor(request: HttpRequest): string {
  const credentials = headerCredentialsOf(request, []);
  if (credentials === undefined) return 'Bearer';
  return credentials.proof === undefined
    ? 'Bearer error="invalid_token"'
    : `DPoP error="invalid_token", algs="${PROOF_ALGORITHMS.join(' ')}"`;
}

/** What is called, as it is declared: neither a parameter's value nor the query is in it. */
export function routeOf(context: ExecutionContext): string {
  if (context.getType() === 'http') {
    const { method, routeOptions, route } = context.switchToHttp().getRequest<HttpRequest>();
    const pattern = routeOptions?.url ?? route?.path;
    if (method !== undefined && typeof pattern === 'string') return `${method} ${pattern}`;
  }
  return `${context.getClass().name}.${context.getHandler().name}`;
}
