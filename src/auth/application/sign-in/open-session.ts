import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { GlobalFloor, VersionStamps } from '../../../guard/versions';
import type { Binding } from '../../domain/binding';
import { type AuthEvent, SessionCreated } from '../../domain/events';
import type { RefreshUser } from '../../domain/refresh-decision';
import { digestOf, RefreshTokenKeyRing } from '../../domain/refresh-token';
import type { Delivery, Session, SessionProof } from '../../domain/session';
import { AuthOptions } from '../../options/auth.options';
import { SessionRepository } from '../../ports/session.repository';
import type { Attempt, Subject } from '../attempt';
import { SessionLimit } from '../sessions/session-limit';
import { type TokenPair, TokenPairIssuer } from '../token-pair.issuer';

/** What a session stores of the device on which it was opened. */
export type Device = Pick<Session, 'deviceId' | 'deviceName' | 'userAgent' | 'ipAddress'>;

/** A session to be opened. */
export interface Opening {
  readonly user: RefreshUser;
  /** The floors of before the user was verified. */
  readonly stamps: VersionStamps;
  /** Of now, or of then. */
  readonly floors: GlobalFloor;
  readonly delivery: Delivery;
  readonly device: Device;
  readonly proof: SessionProof;
  readonly binding: Binding | null;
  /** Without one, a new id. */
  readonly sessionId?: string | undefined;
}

/** An opened session, the subject of its events, and the events that record its opening. */
export interface OpenedSession {
  readonly pair: TokenPair;
  readonly subject: Subject;
  readonly events: readonly AuthEvent[];
}

/** Opens a session: the row and its answer, within a recorded change. */
@Injectable()
export class OpenSession {
  constructor(
    private readonly sessions: SessionRepository,
    private readonly keys: RefreshTokenKeyRing,
    private readonly pairs: TokenPairIssuer,
    private readonly limit: SessionLimit,
    private readonly options: AuthOptions,
  ) {}

  /** The caller stores the events. */
  async open(opening: Opening, attempt: Attempt): Promise<OpenedSession> {
    const { user, stamps, floors, delivery, binding, sessionId = uuidv7() } = opening;
    const { deviceId, deviceName, userAgent, ipAddress } = opening.device;
    const token = this.keys.first(sessionId);
    const subject = { userId: user.id, sessionId: token.sessionId, generation: 0 };
    const evictions = await this.limit.makeRoom(user.id, attempt);
    const session = await this.sessions.open({
      ...stamps,
      ...opening.proof,
      id: token.sessionId,
      userId: user.id,
      tokenHash: digestOf(token),
      keyId: token.keyId,
      delivery,
      deviceId,
      deviceName,
      userAgent,
      ipAddress,
      binding,
      idleTtlSeconds: this.options.refreshTokenTtlSeconds,
      absoluteTtlSeconds: this.options.sessionAbsoluteTtlSeconds,
    });
    const created = new SessionCreated(
      attempt.finding(subject),
      delivery,
      deviceId,
      deviceName,
      binding && binding.kind,
    );
    const events = [...evictions, created];
    const pair = await this.pairs.issue(user, token, session, session, { floors, now: session.createdAt });
    return { pair, subject, events };
  }
}
