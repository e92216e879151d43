import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { type HttpRequest, isAuthorizedTwice } from '../../../guard/nest/http-request';
import { ProblemException } from '../../../guard/nest/problem.exception';
import { ResourceServers } from '../../application/resource-servers/resource-servers';
import { clientOf } from './client-of';

/** The name of these credentials in the OpenAPI document. */
export const RESOURCE_SERVER = 'resource_server';

/**
 * Accepts the services of `resourceServers` by HTTP Basic (RFC 7617, RFC 6749 section 2.3.1), for routes that are `@Public()` to
 * the guard of access tokens. A refusal is a `ProblemException` 401 with the code `invalid_client` and its challenge.
 */
@Injectable()
export class ResourceServerGuard implements CanActivate {
  constructor(private readonly servers: ResourceServers) {}

  /** @throws Throttled beyond the limit of wrong secrets of one address */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<HttpRequest>();
    const credentials = basicOf(request);
    if (credentials === null || !(await this.servers.isGenuine(...credentials, clientOf(request))))
      throw new ProblemException(401, { code: 'invalid_client', challenge: 'Basic realm="ratchet", charset="UTF-8"' });
    return true;
  }
}

/** The name and the secret, or null without usable credentials. */
function basicOf(request: HttpRequest): readonly [name: string, secret: string] | null {
  const [, base64] = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(request.headers.authorization ?? '') ?? [];
  if (base64 === undefined || isAuthorizedTwice(request)) return null;
  const [, name, secret] = /^([^:]+):(.*)$/s.exec(Buffer.from(base64, 'base64').toString()) ?? [];
  return name === undefined || secret === undefined ? null : decoded(name, secret);
}

/** OAuth's clients encode both like fields of a form; `curl -u` does not. Neither can contain a character that means two things. */
function decoded(name: string, secret: string): readonly [name: string, secret: string] | null {
  try {
    return [decodeURIComponent(name), decodeURIComponent(secret)];
  } catch {
    return null;
  }
}
