import {
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type Provider,
} from '@nestjs/common';
import { SessionCredentials } from '../../../src/auth/application/sessions/session-credentials';
import { RefreshTokenKeyRing } from '../../../src/auth/domain/refresh-token';
import { DirectoryRoles } from '../../../src/auth/infrastructure/defaults/directory-roles';
import { NoMetrics } from '../../../src/auth/infrastructure/defaults/no-metrics';
import { AuthOptions } from '../../../src/auth/options/auth.options';
import { type DirectoryUser, UserDirectory } from '../../../src/auth/ports/user-directory';
import { AccessTokenAuthenticator } from '../../../src/guard/access-token.authenticator';
import { type AccessTokenClaims, AccessTokenKeys } from '../../../src/guard/ports/access-token.keys';
import { CurrentRoles } from '../../../src/guard/ports/current-roles';
import { RevocationView } from '../../../src/guard/revocation.view';
import { InMemoryRevocationFeed, InMemoryStore, MovableClock } from '../../../src/testing';

export const NOW = new Date('2026-01-31T12:00:00Z');
export const USER_ID = '0199aaaa-0000-7000-8000-000000000001';
const ORIGIN = 'https://app.example';
export const SESSION_ID = '0199aaaa-0000-7000-8000-000000000002';

const seconds = (date: Date) => date.getTime() / 1000;

/** Tokens by name. A name that is not there was never signed. */
export class FakeSigner extends AccessTokenKeys {
  readonly tokens = new Map<string, AccessTokenClaims>();

  issue(token: string, claims: Partial<AccessTokenClaims> = {}): void {
    const iat = seconds(NOW);
    const stamps = { tokenVersion: 1, globalVersionAtIssuance: 1 };
    const usual = { sub: USER_ID, sid: SESSION_ID, jti: 'j', iat, exp: iat + 900, roles: ['user'], stamps };
    this.tokens.set(token, { ...usual, ...claims });
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

@Injectable()
class RunningView implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(private readonly view: RevocationView) {}

  onApplicationBootstrap = () => this.view.start();
  onApplicationShutdown = () => this.view.stop();
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
  const view = new RevocationView(feed, options, new Logger(), new NoMetrics());
  const providers: Provider[] = [
    { provide: AccessTokenKeys, useValue: signer },
    { provide: RefreshTokenKeyRing, useValue: new RefreshTokenKeyRing([{ id: 0, root: Buffer.alloc(32) }]) },
    SessionCredentials,
    {
      provide: AccessTokenAuthenticator,
      useValue: new AccessTokenAuthenticator(signer, view, { accessTokenTtlSeconds: 900 }),
    },
    { provide: RevocationView, useValue: view },
    RunningView,
    { provide: CurrentRoles, useClass: DirectoryRoles },
    { provide: UserDirectory, useValue: users },
    { provide: AuthOptions, useValue: options },
  ];
  return { providers, options, feed, view, store };
}
