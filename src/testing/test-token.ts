import { setTimeout as delay } from 'node:timers/promises';
import type { INestApplicationContext } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import {
  AccessTokenSigner,
  AuthOptions,
  demand,
  idProblem,
  RevocationView,
  SecurityPolicyRepository,
  stampsOf,
  UserDirectory,
  userIdProblem,
} from '../index';
import { InMemoryUserDirectory } from './in-memory-user.directory';
import { MovableClock } from './movable-clock';

/** What an access token of a test says; everything has a default. */
export interface TestToken {
  /** By default that of a new user. */
  readonly userId?: string;
  /** By default `['user']`. If the user is not in the in-memory directory yet, it is added with these roles. */
  readonly roles?: readonly string[];
  /** A UUID. The session does not have to exist: an access token is accepted until its session is ended. */
  readonly sessionId?: string;
  /** By default the lifetime of the application's own tokens; with zero or less, the token has expired. */
  readonly expiresInSeconds?: number;
  /** How long ago the user proved who they are; by default they just have. For `@RequireAuth({ maxAge })`. */
  readonly authAgeSeconds?: number;
  /** By default `['pwd']`. */
  readonly amr?: readonly string[];
  /** For `@RequireAuth({ acr })`; by default none. */
  readonly acr?: string;
  /** The user who acts for the user, whose session `sessionId` is; by default nobody does. */
  readonly actorId?: string;
  /** Claims of the host's own; by default none. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** A Nest application, or anything with its `get()`. */
export type Application = Pick<INestApplicationContext, 'get'>;

/**
 * Issues an access token that the guard of `app` accepts as one of its own.
 * @throws InvalidInput for an id that no token can have
 */
export async function issueTestToken(app: Application, token: TestToken = {}): Promise<string> {
  const part = <T>(type: abstract new (...args: never[]) => T): T => app.get<T>(type, { strict: false });
  const {
    userId = uuidv7(),
    roles = ['user'],
    sessionId = uuidv7(),
    authAgeSeconds = 0,
    amr = ['pwd'],
    acr,
    actorId,
    claims,
  } = token;
  const { expiresInSeconds = part(AuthOptions).accessTokenTtlSeconds } = token;
  demand({
    userId: userIdProblem(userId),
    sessionId: idProblem(sessionId),
    actorId: actorId === undefined ? null : userIdProblem(actorId),
  });
  const users = part(UserDirectory);
  if (users instanceof InMemoryUserDirectory && (await users.findById(userId)) === null) {
    await users.add({ id: userId, email: `${userId}@example.com`, roles, isActive: true, passwordHash: 'none' });
  }
  const policies = part(SecurityPolicyRepository);
  const { floors, now } = await policies.floorsOf(userId);
  const actor = actorId === undefined ? undefined : await policies.floorsOf(actorId);
  const iat = Math.floor(now.getTime() / 1000);
  return part(AccessTokenSigner).sign({
    sub: userId,
    sid: sessionId,
    jti: uuidv7(),
    iat,
    exp: iat + expiresInSeconds,
    roles,
    stamps: stampsOf(floors),
    authTime: iat - authAgeSeconds,
    amr,
    ...(acr === undefined ? {} : { acr }),
    ...(actorId === undefined || actor === undefined
      ? {}
      : { act: { sub: actorId, uv: actor.floors.userMinTokenVersion } }),
    ...(claims === undefined ? {} : { claims }),
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
