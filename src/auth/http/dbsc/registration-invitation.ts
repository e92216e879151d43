import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { HttpRequest } from '../../../guard/nest/http-request';
import { spellingsOf } from '../../../support/loopback';
import { DbscProofs } from '../../application/dbsc-proofs';
import type { TokenPair } from '../../application/token-pair.issuer';
import { AuthOptions } from '../../options/auth.options';
import { BoundCookies } from './bound-cookies';
import { REGISTRATION, registrationOf, routeOf } from './session-headers';

/** Asks the browser, in the answer to a sign-in by cookie, to bind the session to its device (DBSC, experimental). */
@Injectable()
export class RegistrationInvitation {
  constructor(
    private readonly proofs: DbscProofs,
    private readonly cookies: BoundCookies,
    private readonly adapterHost: HttpAdapterHost,
    private readonly options: AuthOptions,
  ) {}

  /**
   * Only to a page of our own origin, since the mark that tells scripts of it is a cookie of this host; and only where the browser
   * would take the bound cookie, which is the access token.
   */
  give(request: HttpRequest, response: unknown, pair: TokenPair): void {
    const { origin } = request.headers;
    const isOwn = origin === undefined || spellingsOf(this.options.publicOrigin).includes(origin);
    if (this.options.dbsc !== 'on' || !isOwn || !this.cookies.fits(pair)) return;
    const header = registrationOf(routeOf(request, 'dbsc/register'), this.proofs.invitationTo(pair.sessionId));
    this.adapterHost.httpAdapter.setHeader(response, REGISTRATION, header);
  }
}
