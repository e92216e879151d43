import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { type AuthEvent, SessionCreated, SessionEvicted } from '../domain/events';
import type { RefreshUser } from '../domain/refresh-decision';
import { digestOf, RefreshTokenKeyRing } from '../domain/refresh-token';
import type { Delivery, Session } from '../domain/session';
import { type Floors, stampsOf } from '../domain/versions';
import { AuthEventLog } from '../ports/auth-event.log';
import { AuthEvents } from '../ports/auth-events';
import { AuthOptions } from '../ports/auth.options';
import { SessionRepository } from '../ports/session.repository';
import { UnitOfWork } from '../ports/unit-of-work';
import type { Attempt, Subject } from './attempt';
import { type TokenPair, TokenPairIssuer } from './token-pair';

/** What a session remembers of the device that it was opened on. */
export type Device = Pick<Session, 'deviceId' | 'deviceName' | 'userAgent' | 'ipAddress'>;

/** Opens a session: the row, its record and the answer, in one transaction. */
@Injectable()
export class SessionOpening {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly sessions: SessionRepository,
    private readonly log: AuthEventLog,
    private readonly events: AuthEvents,
    private readonly keys: RefreshTokenKeyRing,
    private readonly pairs: TokenPairIssuer,
    private readonly options: AuthOptions,
  ) {}

  /** `floors` were read before the user proved anything; `recordOf` makes the record for the opened session. */
  async open(
    user: RefreshUser,
    floors: Floors,
    delivery: Delivery,
    device: Device,
    attempt: Attempt,
    recordOf: (subject: Subject) => readonly AuthEvent[],
  ): Promise<TokenPair> {
    const token = this.keys.first(uuidv7());
    const subject = { userId: user.id, sessionId: token.sessionId, generation: 0 };
    const { deviceId, deviceName, userAgent, ipAddress } = device;
    return this.unitOfWork.run(async () => {
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
      const record = [
        ...recordOf(subject),
        ...evicted.map(
          (sessionId) => new SessionEvicted(attempt.finding({ userId: user.id, sessionId }), 'session_limit_exceeded'),
        ),
        new SessionCreated(attempt.finding(subject), delivery, deviceId, deviceName),
      ];
      await this.log.append(record);
      this.events.dispatch(record);
      return this.pairs.issue(user, token, session, { floors, now: session.createdAt });
    });
  }

  /** Ends the sessions that were used least recently, so that one more is within the limit. Answers their ids. */
  private async makeRoom(userId: string): Promise<string[]> {
    const { maxSessionsPerUser } = this.options;
    if (maxSessionsPerUser === 0) return [];
    await this.sessions.lockUser(userId); // two logins at once would each count without the other
    return this.sessions.revokeSome({ userId, keepLastUsed: maxSessionsPerUser - 1 }, 'session_limit_exceeded');
  }
}
