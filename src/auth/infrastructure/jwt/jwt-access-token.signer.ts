import { Injectable } from '@nestjs/common';
import { ACCESS_TOKEN_TYP, parseAccessToken, verifiedClaims } from '../../../guard/access-token';
import type { AccessTokenClaims, AccessTokenKeys } from '../../../guard/ports/access-token.keys';
import { type PublicJwk, publicJwkOf, type RingKey, ringKeyOf } from '../../domain/access-token-key';
import { AuthOptions } from '../../options/auth.options';
import { AccessTokenSigner } from '../../ports/access-token.signer';

/**
 * Access tokens by the keys of the ring (RFC 7515, RFC 9068), signed and verified by node:crypto (ADR 10, ADR 21). The keys are
 * KeyObjects, created once: a string would be converted at each call.
 */
@Injectable()
export class JwtAccessTokenSigner extends AccessTokenSigner implements AccessTokenKeys {
  private readonly keys: ReadonlyMap<string, RingKey>;
  private readonly signWith: NonNullable<RingKey['sign']>;
  private readonly header: string;
  private readonly expected: { readonly issuer: string; readonly audience: string };
  /** RFC 9068 section 2.2 requires it; without OAuth there is no client. */
  private readonly clientId: string | undefined;

  constructor(options: AuthOptions) {
    super();
    const ring = options.accessTokenKeys.map(ringKeyOf);
    const [newest] = ring;
    if (newest === undefined) throw new Error('At least one access-token key is needed');
    if (newest.sign === null) throw new Error(`The first access-token key, ${newest.kid}, cannot sign`);
    this.signWith = newest.sign;
    this.header = base64url({ alg: newest.alg, typ: ACCESS_TOKEN_TYP, kid: newest.kid });
    this.keys = new Map(ring.map((key) => [key.kid, key]));
    this.expected = { issuer: options.accessTokenIssuer, audience: options.accessTokenAudience };
    this.clientId = options.oauth ? options.oauthClientId : undefined;
  }

  sign({ stamps, roles, authTime: auth_time, act, jkt, claims, ...ours }: AccessTokenClaims): string | Promise<string> {
    const { issuer: iss, audience: aud } = this.expected;
    const { globalVersionAtIssuance: gv, tokenVersion: uv } = stamps;
    const cnf = jkt === undefined ? undefined : { jkt };
    // The host's claims first: no name of theirs can take the place of one of ours.
    const payload = { ...claims, ...ours, iss, aud, client_id: this.clientId, gv, uv, roles, auth_time, act, cnf };
    const signed = `${this.header}.${base64url(payload)}`;
    const signature = this.signWith(signed);
    return typeof signature === 'string' ? `${signed}.${signature}` : signature.then((late) => `${signed}.${late}`);
  }

  publicJwks(): readonly PublicJwk[] {
    return [...this.keys.values()].map(publicJwkOf).filter((jwk) => jwk !== null);
  }

  verify(token: string): AccessTokenClaims | null {
    const parsed = parseAccessToken(token);
    const key = parsed === null ? undefined : this.keys.get(parsed.kid);
    return parsed === null || key === undefined ? null : verifiedClaims(parsed, key, this.expected);
  }
}

const base64url = (json: object): string => Buffer.from(JSON.stringify(json)).toString('base64url');
