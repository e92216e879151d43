import { randomBytes } from 'node:crypto';
import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { EventEmitterModule } from '@nestjs/event-emitter';
import {
  AuthEventLog,
  AuthModule,
  Clock,
  type GivenAuthOptions,
  RevocationFeed,
  SecurityPolicyRepository,
  SessionRepository,
  UnitOfWork,
  UserDirectory,
} from '../index';
import { InMemoryAuthEventLog } from './in-memory-auth-event.log';
import { InMemoryRevocationFeed } from './in-memory-revocation.feed';
import { InMemorySecurityPolicyRepository } from './in-memory-security-policy.repository';
import { InMemorySessionRepository } from './in-memory-session.repository';
import { InMemoryStore } from './in-memory-store';
import { InMemoryUnitOfWork } from './in-memory-unit-of-work';
import { InMemoryUserDirectory } from './in-memory-user.directory';
import { MovableClock } from './movable-clock';

/** What a test changes in {@link AuthTestingModule}. */
export interface AuthTestingOptions {
  /** Options of auth for this test. By default the `code` of a refusal is its reason, and there are no rate limits. */
  readonly options?: Partial<GivenAuthOptions>;
  /** Whether the guard protects every route, as in the application. Default: true. */
  readonly globalGuard?: boolean;
  /** Whether auth's own routes are mounted. Default: true. */
  readonly controllers?: boolean;
  /** Whether OAuth's shapes of them are mounted, at the root. Default: false. */
  readonly oauth?: boolean;
  /** Whether they are documented for @nestjs/swagger, which must be installed then. Default: true. */
  readonly documented?: boolean;
  /** Providers that replace those of this module, by token. */
  readonly providers?: readonly Provider[];
}

/**
 * All of auth on the in-memory ports: real tokens, guard, handlers and events, without a database or environment variables.
 * It imports the buses and the event emitter itself. You can get `InMemoryStore`, `InMemoryUserDirectory` and `MovableClock`
 * from the application.
 */
@Module({})
export class AuthTestingModule {
  /** The module, with fresh in-memory ports. */
  static forRoot({ options, providers = [], ...mounted }: AuthTestingOptions = {}): DynamicModule {
    const clock = new MovableClock();
    const store = new InMemoryStore(clock);
    const users = new InMemoryUserDirectory(store);
    const feed = new InMemoryRevocationFeed(store);
    const policies = new InMemorySecurityPolicyRepository(store, feed);
    const log = new InMemoryAuthEventLog(store);
    const sessions = new InMemorySessionRepository(store, policies, log, feed, options?.sessionRetentionSeconds);
    return {
      module: AuthTestingModule,
      imports: [
        CqrsModule.forRoot(),
        EventEmitterModule.forRoot(),
        AuthModule.forRoot({
          accessTokenKeys: [{ kid: 'test', secret: randomBytes(32) }],
          refreshTokenKeys: [{ id: 0, root: randomBytes(32) }],
          accessTokenIssuer: 'test',
          accessTokenAudience: 'test',
          bcryptCost: 4,
          exposeRefusalReason: true,
          cleanUpIntervalSeconds: 0,
          limits: {
            loginPerAccount: null,
            loginAnywhere: null,
            loginPerIp: null,
            refreshPerSession: null,
            refreshPerUser: null,
            invalidPerIp: null,
            logoutPerSession: null,
            logoutPerIp: null,
            registerPerIp: null,
            listPerUser: null,
          },
          ...options,
          ...mounted,
          isGlobal: true,
          userDirectory: InMemoryUserDirectory,
          storage: [
            { provide: MovableClock, useValue: clock },
            { provide: Clock, useValue: clock },
            { provide: InMemoryStore, useValue: store },
            { provide: UnitOfWork, useValue: new InMemoryUnitOfWork(store) },
            { provide: RevocationFeed, useValue: feed },
            { provide: SecurityPolicyRepository, useValue: policies },
            { provide: SessionRepository, useValue: sessions },
            { provide: AuthEventLog, useValue: log },
            { provide: InMemoryUserDirectory, useValue: users },
            { provide: UserDirectory, useValue: users },
          ],
          providers,
        }),
      ],
    };
  }
}
