import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { type Floors, stampsOf } from '../../../guard/versions';
import { type AuthEvent, SessionCreated, SessionEvicted } from '../../domain/events';
import type { RefreshUser } from '../../domain/refresh-decision';
import { digestOf, RefreshTokenKeyRing } from '../../domain/refresh-token';
import type { Delivery, Session } from '../../domain/session';
import { AuthOptions } from '../../options/auth.options';
import { SessionRepository } from '../../ports/session.repository';
import type { Attempt, Subject } from '../attempt';
import { type TokenPair, TokenPairIssuer } from '../token-pair.issuer';

/** What a session stores of the device on which it was opened. */
export type Device = Pick<Session, 'deviceId' | 'deviceName' | 'userAgent' | 'ipAddress'>;

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
    private readonly options: AuthOptions,
  ) {}

  /** `floors` must be read before the password is verified. The caller stores the events. */
  async open(
    user: RefreshUser,
    floors: Floors,
    delivery: Delivery,
    { deviceId, deviceName, userAgent, ipAddress }: Device,
    attempt: Attempt,
  ): Promise<OpenedSession> {
    const token = this.keys.first(uuidv7());
    const subject = { userId: user.id, sessionId: token.sessionId, generation: 0 };
    const evicted = await this.makeRoom(user.id);
    const session = await this.sessions.open({
      ...stampsOf(floors),
      id: token.sessionId,
      userId: user.id,
      tokenHash: digestOf(token),
      keyId: token.keyId,
      delivery,
      deviceId,
      deviceName,
      userAgent,
      ipAddress,
      idleTtlSeconds: this.options.refreshTokenTtlSeconds,
      absoluteTtlSeconds: this.options.sessionAbsoluteTtlSeconds,
    });
    const events = [
      ...evicted.map(
        (sessionId) => new SessionEvicted(attempt.finding({ userId: user.id, sessionId }), 'session_limit_exceeded'),
      ),
      new SessionCreated(attempt.finding(subject), delivery, deviceId, deviceName),
    ];
    return { pair: this.pairs.issue(user, token, session, { floors, now: session.createdAt }), subject, events };
  }

  /** Ends the least recently used sessions, so that a new one is within the limit. Returns their ids. */
  private async makeRoom(userId: string): Promise<string[]> {
    const { maxSessionsPerUser } = this.options;
    if (maxSessionsPerUser === 0) return [];
    await this.sessions.lockUser(userId); // two logins at once would each count without the other
    return this.sessions.revokeSome({ userId, keepLastUsed: maxSessionsPerUser - 1 }, 'session_limit_exceeded');
  }
}
