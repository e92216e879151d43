import type { Provider } from '@nestjs/common';
import { AccessTokenAuthenticator } from '../../../src/auth/application/access-token.authenticator';
import { RevocationView } from '../../../src/auth/application/revocation.view';
import { SecurityPolicyProvider } from '../../../src/auth/application/security-policy.provider';
import { InProcessSecurityPolicyCache } from '../../../src/auth/infrastructure/defaults/in-process-security-policy.cache';
import { NoMetrics } from '../../../src/auth/infrastructure/defaults/no-metrics';
import { type AccessTokenClaims, AccessTokenSigner } from '../../../src/auth/ports/access-token.signer';
import { AuthMetrics } from '../../../src/auth/ports/auth-metrics';
import { AuthOptions } from '../../../src/auth/ports/auth.options';
import { RevocationFeed } from '../../../src/auth/ports/revocation.feed';
import { SecurityPolicyCache } from '../../../src/auth/ports/security-policy.cache';
import { SecurityPolicyRepository } from '../../../src/auth/ports/security-policy.repository';
import { type DirectoryUser, UserDirectory } from '../../../src/auth/ports/user-directory';
import {
  InMemoryRevocationFeed,
  InMemorySecurityPolicyRepository,
  InMemoryStore,
  MovableClock,
} from '../../../src/testing';

export const NOW = new Date('2026-01-31T12:00:00Z');
export const USER_ID = '0199aaaa-0000-7000-8000-000000000001';
const ORIGIN = 'https://app.example';
export const SESSION_ID = '0199aaaa-0000-7000-8000-000000000002';

const seconds = (date: Date) => date.getTime() / 1000;

/** Tokens by name. A name that is not there was never signed. */
export class FakeSigner extends AccessTokenSigner {
  readonly tokens = new Map<string, AccessTokenClaims>();

  issue(token: string, claims: Partial<AccessTokenClaims> = {}): void {
    const iat = seconds(NOW);
    const stamps = { tokenVersion: 1, globalVersionAtIssuance: 1 };
    const usual = { sub: USER_ID, sid: SESSION_ID, jti: 'j', iat, exp: iat + 900, roles: ['user'], stamps };
    this.tokens.set(token, { ...usual, ...claims });
  }

  override sign(): string {
    throw new Error('nothing is signed here');
  }

  override verify(token: string): AccessTokenClaims | null {
    return this.tokens.get(token) ?? null;
  }
}

export class FakeUsers extends UserDirectory {
  user: DirectoryUser | null = { id: USER_ID, email: 'user@example.com', roles: ['user'], isActive: true };

  override async findById(id: string): Promise<DirectoryUser | null> {
    return this.user?.id === id ? this.user : null;
  }

  override async findByLogin(): Promise<null> {
    return null;
  }

  override async replacePasswordHash(): Promise<boolean> {
    return false;
  }
}

/** The authenticator and what it decides by, at {@link NOW}. A negative `maxStalenessSeconds` makes the view out of date. */
export function authentication(signer: FakeSigner, users: FakeUsers) {
  const store = new InMemoryStore(new MovableClock(NOW));
  const feed = new InMemoryRevocationFeed(store);
  const options = {
    accessTokenTtlSeconds: 900,
    maxStalenessSeconds: 60,
    exposeRefusalReason: false,
    publicOrigin: ORIGIN,
    corsOrigins: [],
    secureCookies: true,
  };
  const providers: Provider[] = [
    AccessTokenAuthenticator,
    RevocationView,
    SecurityPolicyProvider,
    { provide: AccessTokenSigner, useValue: signer },
    { provide: UserDirectory, useValue: users },
    { provide: AuthOptions, useValue: options },
    { provide: RevocationFeed, useValue: feed },
    { provide: SecurityPolicyRepository, useValue: new InMemorySecurityPolicyRepository(store, feed) },
    { provide: SecurityPolicyCache, useClass: InProcessSecurityPolicyCache },
    { provide: AuthMetrics, useClass: NoMetrics },
  ];
  return { providers, options, feed };
}
