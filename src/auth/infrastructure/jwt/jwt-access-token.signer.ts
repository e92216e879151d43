import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { validate as isUuid } from 'uuid';
import type { AccessTokenClaims, AccessTokenKeys } from '../../../guard/ports/access-token.keys';
import { userIdProblem } from '../../domain/input-rules';
import { AuthOptions } from '../../options/auth.options';
import { AccessTokenSigner } from '../../ports/access-token.signer';

const ALGORITHM = 'HS256';
const TYP = 'at+jwt'; // RFC 9068 section 2.1
type Header = Partial<Record<'alg' | 'kid' | 'typ', string>>;
const HEADER = ['alg', 'kid', 'typ'];

/**
 * HS256 (RFC 7515): verified by @nestjs/jwt, which has all the checks, and signed here, where there is nothing to check
 * (ADR 10). The keys are KeyObjects, created once: a string secret would be converted at each call.
 */
@Injectable()
export class JwtAccessTokenSigner extends AccessTokenSigner implements AccessTokenKeys {
  private readonly jwt = new JwtService({});
  private readonly keys: ReadonlyMap<string, KeyObject>;
  private readonly newest: KeyObject;
  private readonly header: string;

  constructor(private readonly options: AuthOptions) {
    super();
    const ring = options.accessTokenKeys.map(({ kid, secret }) => ({ kid, key: createSecretKey(secret) }));
    const [newest] = ring;
    if (newest === undefined) throw new Error('At least one access-token key is needed');
    this.newest = newest.key;
    this.header = base64url({ alg: ALGORITHM, typ: TYP, kid: newest.kid });
    this.keys = new Map(ring.map(({ kid, key }) => [kid, key]));
  }

  sign({ stamps, roles, ...claims }: AccessTokenClaims): string {
    const { accessTokenIssuer: iss, accessTokenAudience: aud } = this.options;
    const payload = { ...claims, iss, aud, gv: stamps.globalVersionAtIssuance, uv: stamps.tokenVersion, roles };
    const signed = `${this.header}.${base64url(payload)}`;
    return `${signed}.${createHmac('sha256', this.newest).update(signed).digest('base64url')}`;
  }

  verify(token: string): AccessTokenClaims | null {
    try {
      const key = this.keyOf(token);
      if (key === null) return null;
      const payload = this.jwt.verify<Record<string, unknown>>(token, {
        // The type leaves KeyObject out, jsonwebtoken does not.
        publicKey: key as unknown as Buffer,
        algorithms: [ALGORITHM],
        issuer: this.options.accessTokenIssuer,
        audience: this.options.accessTokenAudience,
        ignoreExpiration: true, // the database's clock decides that, not this machine's
      });
      return claimsOf(payload);
    } catch {
      return null;
    }
  }

  /** The key that the header names, when the header says what ours say and nothing else: no `crit`, `jwk`, `jku`, `x5u` (RFC 8725). */
  private keyOf(token: string): KeyObject | null {
    const header = (this.jwt.decode(token, { complete: true }) as { header: Header } | null)?.header;
    if (header === undefined) return null;
    if (Object.keys(header).sort().join() !== HEADER.join() || header.alg !== ALGORITHM || header.typ !== TYP)
      return null;
    return this.keys.get(header.kid ?? '') ?? null;
  }
}

const base64url = (json: object): string => Buffer.from(JSON.stringify(json)).toString('base64url');

function claimsOf(payload: Record<string, unknown>): AccessTokenClaims | null {
  const { sub, sid, jti, iat, exp, gv, uv, roles, email } = payload;
  if (userIdProblem(sub) !== null || !isUuid(sid) || typeof jti !== 'string') return null;
  if (!isCount(iat) || !isCount(exp) || !isCount(gv) || !isCount(uv)) return null;
  if (!Array.isArray(roles) || !roles.every((role) => typeof role === 'string')) return null;
  if (email !== undefined && typeof email !== 'string') return null;
  return {
    sub: sub as string,
    sid: sid as string,
    jti,
    iat,
    exp,
    roles,
    stamps: { globalVersionAtIssuance: gv, tokenVersion: uv },
    ...(email === undefined ? {} : { email }),
  };
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
