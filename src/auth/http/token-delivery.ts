import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { cookiesOf, demandOwnPage, type HttpRequest } from '../../guard/nest/http-request';
import { isOfOwnPage, type Origins, originsOf } from '../../guard/origins';
import type { TokenPair } from '../application/token-pair.issuer';
import { RefreshTokenKeyRing } from '../domain/refresh-token';
import type { Delivery } from '../domain/session';
import { AuthOptions } from '../options/auth.options';
import { BoundCookies } from './dbsc/bound-cookies';
import { sameSiteOf } from './same-site';

/** The names that browsers keep to one host and to https (RFC 6265bis section 4.1.3); the last is for plain http on localhost. */
const nameFor = (secure: boolean, path: string): string =>
  secure ? (path === '/' ? '__Host-refresh' : '__Secure-refresh') : 'refresh';

/** What a route answers with: the pair or, with cookie delivery, what is left of it. */
export type DeliveredPair = Omit<TokenPair, 'refreshToken'> & Partial<Pick<TokenPair, 'refreshToken'>>;

/**
 * How a refresh token reaches its client: in the body, or as a cookie that no script can read. Auth's own routes use it, and
 * yours can: `demandOrigin` before a session is opened with cookie delivery, `give` for the answer.
 */
@Injectable()
export class TokenDelivery {
  private readonly name: string;
  private readonly attributes: string;
  private readonly origins: Origins;

  constructor(
    private readonly adapterHost: HttpAdapterHost,
    private readonly keys: RefreshTokenKeyRing,
    private readonly bound: BoundCookies,
    { secureCookies, cookieName, cookieSameSite, cookiePath, publicOrigin, corsOrigins }: AuthOptions,
  ) {
    this.name = cookieName ?? nameFor(secureCookies, cookiePath);
    this.attributes = `Path=${cookiePath}; HttpOnly; ${sameSiteOf({ cookieSameSite })}${secureCookies ? '; Secure' : ''}`;
    this.origins = originsOf(publicOrigin, corsOrigins);
  }

  /**
   * The token that the request carries; undefined without one. Of several cookies of the name, the first one that is sealed
   * by our keys counts: another path or a neighbouring host may have set the others. Callers must demand the origin first.
   */
  read(request: HttpRequest): string | undefined {
    const values = cookiesOf(request, this.name);
    return values.find((value) => this.keys.open(value) !== null) ?? values[0];
  }

  /**
   * Lets only pages of the application's own origins log in, refresh and log out by cookie (RFC 6265bis section 8.8).
   * @throws ProblemException 403
   */
  demandOrigin(request: HttpRequest): void {
    demandOwnPage(request, this.origins);
  }

  /** Whether {@link demandOrigin} would accept the request. */
  isOfOwnOrigin({ headers }: HttpRequest): boolean {
    return isOfOwnPage(headers, this.origins);
  }

  /** Returns what the route answers with; with cookie delivery the refresh token goes into the cookie. */
  give(response: unknown, pair: TokenPair, delivery: Delivery): DeliveredPair {
    if (delivery === 'body') return pair;
    const { refreshToken, ...rest } = pair;
    // The bound cookie of an earlier session would speak for its user.
    if (pair.generation === 0) this.bound.forget(response);
    this.set(response, `${this.name}=${refreshToken}; Max-Age=${rest.refreshExpiresIn}; ${this.attributes}`);
    return rest;
  }

  /** Only for what the client asked to end: clearing it on a refusal would wipe a newer login. */
  clear(request: HttpRequest, response: unknown): void {
    this.bound.clear(request, response);
    if (this.read(request) !== undefined) this.set(response, `${this.name}=; Max-Age=0; ${this.attributes}`);
  }

  private set(response: unknown, cookie: string): void {
    // Beside the cookies that a host has set.
    this.adapterHost.httpAdapter.appendHeader(response, 'Set-Cookie', cookie);
  }
}
