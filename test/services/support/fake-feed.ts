import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { v7 as uuidv7 } from 'uuid';
import { AUTH_DEFAULTS, type AuthOptions, stampsOf } from '../../../src';
import { JwtAccessTokenSigner } from '../../../src/auth/infrastructure/jwt/jwt-access-token.signer';
import { accessTokenKeyOf } from '../../../src/auth';
import { newAccessTokenKey } from '../../../src/new-keys';
import { completeResourceServerOptions, type ResourceServerSettings } from '../../../src/resource-server/options';
import type { Json } from '../../support/app/test-application';
import { ISSUER, SERVICE } from './services';

/** What an answer of the feed is unless a test says otherwise. */
export const ANSWER = {
  cursor: 'a.1.0.1',
  snapshot: { page: 1, pages: 1 },
  issuer: ISSUER,
  policy: { version: 1, mode: 'immediate', graceEndsAt: null },
  accessTokenTtl: 900,
  revocations: [],
};

/** Answers a poll; what it returns is sent as JSON, and nothing if it has answered by itself. */
type Behaviour = (query: URLSearchParams, response: ServerResponse, request: IncomingMessage) => unknown;

/** An authorization server as a service sees it, which can be made to lie. */
export class FakeFeed {
  /** The queries of the polls so far. */
  readonly polls: URLSearchParams[] = [];
  /** Looks at the keys so far. */
  looks = 0;
  /** Keys that the JWKS has; by default that of {@link token}. */
  jwks: () => unknown = () => ({ keys: this.signer.publicJwks() });
  behave: Behaviour = () => ({});
  /** The clock of the feed, less this machine's. */
  clockMs = 0;
  readonly signer = signerOf('k1');

  private constructor(private readonly server: ReturnType<typeof createServer>) {}

  static async start(): Promise<FakeFeed> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const feed = new FakeFeed(server);
    server.on('request', (request, response) => void feed.answer(request, response));
    return feed;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** With a shorter patience than options can have. */
  settings(maxStalenessSeconds = 30): ResourceServerSettings {
    const complete = completeResourceServerOptions({
      issuer: ISSUER,
      audience: 'ratchet',
      jwksUrl: `${this.origin}/jwks.json`,
      feed: { url: `${this.origin}/auth/revocations`, ...SERVICE },
    });
    return { ...complete, maxStalenessSeconds };
  }

  async close(): Promise<void> {
    this.server.close().closeAllConnections();
    await once(this.server, 'close');
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, this.origin);
    response.setHeader('Content-Type', 'application/json');
    if (url.pathname === '/jwks.json') {
      this.looks++;
      const keys = this.jwks();
      response.statusCode = keys === null ? 503 : 200;
      response.end(JSON.stringify(keys));
      return;
    }
    this.polls.push(url.searchParams);
    const given = await this.behave(url.searchParams, response, request);
    if (response.writableEnded || response.headersSent || given === undefined) return;
    const now = new Date(Date.now() + this.clockMs).toISOString();
    response.end(JSON.stringify({ ...ANSWER, now, ...(given as object) }));
  }
}

export function signerOf(kid: string): JwtAccessTokenSigner {
  const key = accessTokenKeyOf(kid, Buffer.from(newAccessTokenKey('ES256'), 'base64'));
  const options = {
    ...AUTH_DEFAULTS,
    accessTokenKeys: [key],
    accessTokenIssuer: ISSUER,
    accessTokenAudience: 'ratchet',
  };
  return new JwtAccessTokenSigner(options as unknown as AuthOptions);
}

export interface FakeToken {
  readonly userId?: string;
  readonly sessionId?: string;
  readonly iat?: number;
  readonly exp?: number;
  readonly gv?: number;
  readonly jkt?: string;
}

/** An access token. */
export async function token(signer: JwtAccessTokenSigner, given: FakeToken = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const { userId: sub = uuidv7(), sessionId: sid = uuidv7(), iat = now, exp = now + 900, gv = 1, jkt } = given;
  const floors = { globalMinTokenVersion: gv, mode: 'immediate', graceEndsAt: null, userMinTokenVersion: 1 } as const;
  return signer.sign({
    sub,
    sid,
    jti: uuidv7(),
    iat,
    exp,
    roles: ['user'],
    stamps: stampsOf(floors),
    ...(jkt !== undefined && { jkt }),
  });
}

/** 200, 401 or 503, as a service would answer. */
export async function statusOf(verifier: { verify(token: string): unknown }, given: string): Promise<number> {
  try {
    return (await verifier.verify(given)) === null ? 401 : 200;
  } catch (error) {
    if ((error as Json).retryAfterSeconds === undefined) throw error;
    return 503;
  }
}
