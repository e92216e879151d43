import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { ACCESS_COOKIE, cookiesOf, type HttpRequest } from '../../../guard/nest/http-request';
import type { TokenPair } from '../../application/token-pair.issuer';
import type { BoundCookieProof } from '../../domain/binding';
import { MAX_BOUND_TOKEN } from '../../domain/dbsc';
import { AuthOptions } from '../../options/auth.options';
import { sameSiteOf } from '../same-site';

/** Readable by scripts: while it is there, the browser refreshes, and they need not. */
const MARK = '__Host-bound';
/** How long the mark outlives the access token, in seconds: a request that comes later waits for the browser, which sets it again. */
const MARK_SLACK = 300;

type Renewed = Pick<TokenPair, 'accessToken' | 'expiresIn'>;

/** The cookies of a session that the browser refreshes by itself (DBSC, experimental): the access token, and a mark for scripts. */
@Injectable()
export class BoundCookies {
  /** As the browser compares them with the instructions. */
  readonly access: { readonly name: string; readonly attributes: string };
  private readonly common: string;

  constructor(
    private readonly adapterHost: HttpAdapterHost,
    private readonly options: AuthOptions,
  ) {
    this.common = `Path=/; Secure; ${sameSiteOf(options)}`;
    this.access = { name: ACCESS_COOKIE, attributes: `${this.common}; HttpOnly` };
  }

  fits({ accessToken }: Pick<TokenPair, 'accessToken'>): boolean {
    return accessToken.length <= MAX_BOUND_TOKEN;
  }

  give(response: unknown, { accessToken, expiresIn }: Renewed): void {
    this.set(response, `${ACCESS_COOKIE}=${accessToken}; Max-Age=${expiresIn}; ${this.access.attributes}`);
    this.set(response, `${MARK}=1; Max-Age=${expiresIn + MARK_SLACK}; ${this.common}`);
  }

  proofIn(request: HttpRequest): BoundCookieProof | undefined {
    const [accessToken] = cookiesOf(request, ACCESS_COOKIE);
    return accessToken === undefined ? undefined : { kind: 'bound_cookie', accessToken };
  }

  clear(request: HttpRequest, response: unknown): void {
    if ([ACCESS_COOKIE, MARK].some((name) => cookiesOf(request, name).length > 0)) this.remove(response);
  }

  /** Where the request is not at hand: whether there are any is unknown. */
  forget(response: unknown): void {
    if (this.options.dbsc === 'on') this.remove(response);
  }

  private remove(response: unknown): void {
    this.set(response, `${ACCESS_COOKIE}=; Max-Age=0; ${this.access.attributes}`);
    this.set(response, `${MARK}=; Max-Age=0; ${this.common}`);
  }

  private set(response: unknown, cookie: string): void {
    this.adapterHost.httpAdapter.appendHeader(response, 'Set-Cookie', cookie);
  }
}
