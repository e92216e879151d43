import { type HttpRequest, pathOf } from '../../../guard/nest/http-request';
import { invalidRequest } from '../../../guard/nest/problem.exception';
import type { DbscProof } from '../../domain/binding';
import { DBSC_ALGORITHMS } from '../../domain/dbsc';

/*
 * How Device Bound Session Credentials are written into headers and answers (draft of the W3C,
 * https://w3c.github.io/webappsec-dbsc/; experimental). What is signed is in `domain/dbsc`.
 */

export const REGISTRATION = 'Secure-Session-Registration';
export const CHALLENGE = 'Secure-Session-Challenge';
export const RESPONSE = 'Secure-Session-Response';
export const SESSION_ID = 'Sec-Secure-Session-Id';

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** A route of auth, wherever a host has mounted them: beside the login, or above the routes of this folder. */
export const routeOf = (request: HttpRequest, route: string): string =>
  `${pathOf(request).replace(/(\/dbsc)?\/[^/]*\/?$/, '')}/${route}`;

/** Asks the browser to make a key, and to register it at `path`. The other values are base64url, so nothing needs an escape. */
export function registrationOf(path: string, invitation: { challenge: string; authorization: string }): string {
  const { challenge, authorization } = invitation;
  return `(${DBSC_ALGORITHMS.join(' ')});path="${path}";challenge="${challenge}";authorization="${authorization}"`;
}

export const challengeOf = (challenge: string, id: string): string => `"${challenge}";id="${id}"`;

/** What the browser has signed; undefined without it. @throws ProblemException 400 for two of them */
export function proofIn({ headers }: HttpRequest): DbscProof | undefined {
  const header = headers[RESPONSE.toLowerCase()];
  if (header === undefined) return undefined;
  const jwt = String(header);
  // Node joins two headers of the name by a comma, which no proof contains.
  if (jwt.includes(',')) throw invalidRequest({ path: RESPONSE, message: `${RESPONSE} must be one proof` });
  return { kind: 'dbsc', jwt };
}

/** Which session the browser refreshes: an item or a string (RFC 8941); undefined if it is none of ours. */
export function sessionIdIn({ headers }: HttpRequest): string | undefined {
  const id = String(headers[SESSION_ID.toLowerCase()]).replace(/^"(.*)"$/, '$1');
  return UUID.test(id) ? id : undefined;
}

/** Tells the browser to keep one cookie, and by which request it gets the next one. */
export interface SessionInstructions {
  readonly session_identifier: string;
  readonly refresh_url: string;
  readonly scope: {
    readonly include_site: false;
    readonly scope_specification: readonly {
      readonly type: 'exclude';
      readonly domain: string;
      readonly path: string;
    }[];
  };
  readonly credentials: readonly { readonly type: 'cookie'; readonly name: string; readonly attributes: string }[];
}

/** Requests for all other paths of the origin wait for the cookie; signing in and out must not. */
export const instructionsFor = (
  request: HttpRequest,
  id: string,
  cookie: { readonly name: string; readonly attributes: string },
  host: string,
): SessionInstructions => ({
  session_identifier: id,
  refresh_url: routeOf(request, 'dbsc/refresh'),
  scope: {
    include_site: false,
    scope_specification: ['login', 'logout'].map((route) => ({
      type: 'exclude',
      domain: host,
      path: routeOf(request, route),
    })),
  },
  credentials: [{ type: 'cookie', ...cookie }],
});

/** The session that the browser knows is over; the login may go on without it. */
export const DISCONTINUED = { continue: false } as const;
