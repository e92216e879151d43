import { setTimeout as delay } from 'node:timers/promises';
import type { INestApplicationContext } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import {
  AccessTokenSigner,
  AuthOptions,
  RevocationView,
  SecurityPolicyRepository,
  stampsOf,
  UserDirectory,
} from '../index';
import { InMemoryUserDirectory } from './in-memory-user.directory';
import { MovableClock } from './movable-clock';

export interface TestToken {
  /** By default that of a new user. */
  readonly userId?: string;
  /** By default `['user']`. If the user is not in the in-memory directory yet, it is added with these roles. */
  readonly roles?: readonly string[];
  /** A UUID. The session does not have to exist: an access token is accepted until its session is ended. */
  readonly sessionId?: string;
  /** By default the lifetime of the application's own tokens; with zero or less, the token has expired. */
  readonly expiresInSeconds?: number;
}

type Application = Pick<INestApplicationContext, 'get'>;

/** Issues an access token that the guard of `app` accepts as one of its own. */
export async function issueTestToken(app: Application, token: TestToken = {}): Promise<string> {
  const part = <T>(type: abstract new (...args: never[]) => T): T => app.get<T>(type, { strict: false });
  const { userId = uuidv7(), roles = ['user'], sessionId = uuidv7() } = token;
  const { expiresInSeconds = part(AuthOptions).accessTokenTtlSeconds } = token;
  const users = part(UserDirectory);
  if (users instanceof InMemoryUserDirectory && (await users.findById(userId)) === null) {
    await users.add({ id: userId, email: `${userId}@example.com`, roles, isActive: true, passwordHash: 'none' });
  }
  const { floors, now } = await part(SecurityPolicyRepository).floorsOf(userId);
  const iat = Math.floor(now.getTime() / 1000);
  return part(AccessTokenSigner).sign({
    sub: userId,
    sid: sessionId,
    jti: uuidv7(),
    iat,
    exp: iat + expiresInSeconds,
    roles,
    stamps: stampsOf(floors),
  });
}

/** Moves the clock of `app` forward, and waits until its guard has read it. */
export async function advanceClock(app: Application, seconds: number): Promise<void> {
  const clock = app.get(MovableClock, { strict: false });
  const view = app.get(RevocationView, { strict: false });
  clock.advance(seconds);
  while (view.floorsOf(uuidv7()).now < clock.now()) {
    view.hint();
    await delay(5);
  }
}
