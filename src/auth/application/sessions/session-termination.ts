import { Injectable } from '@nestjs/common';
import type { AuthEvent } from '../../domain/events';
import type { RefreshSession } from '../../domain/refresh-decision';
import type { RevocationReason } from '../../domain/refusals';
import { AuthOptions } from '../../options/auth.options';
import { SessionRepository } from '../../ports/session.repository';
import type { Attempt } from '../attempt';
import { RecordedChange } from '../recorded-change';
import { UserRevocation } from './user-revocation';

/** The session as it was read for the refusal; after a rotation in between, the refusal must be decided again. */
const PASSING: readonly RevocationReason[] = ['token_version_rejected', 'user_deactivated'];

/** Ends the session of a refused token, before the refusal is answered: the refusal never undoes it. */
@Injectable()
export class SessionTermination {
  constructor(
    private readonly changes: RecordedChange,
    private readonly sessions: SessionRepository,
    private readonly revocation: UserRevocation,
    private readonly options: AuthOptions,
  ) {}

  /**
   * Revokes `session` together with `record`. Returns false, and changes nothing, if the session was already revoked or has
   * changed since the refusal.
   */
  async end(
    session: Pick<RefreshSession, 'id' | 'userId' | 'generation' | 'tokenHash'>,
    reason: RevocationReason,
    record: readonly AuthEvent[],
    attempt: Attempt,
  ): Promise<boolean> {
    return this.changes.commit(async () => {
      await this.sessions.lockUser(session.userId); // two reuses at once must see each other's count
      const asRead = PASSING.includes(reason) ? session : undefined;
      if (!(await this.sessions.revoke(session.id, reason, asRead))) return { value: false, events: [] };
      const escalation = reason === 'reuse_detected' ? await this.escalate(session, attempt) : [];
      return { value: true, events: [...escalation, ...record] };
    });
  }

  /** After the Nth reuse within a day, or when one is enough, all of the user's sessions end and the floor rises. */
  private async escalate(
    { userId, id }: Pick<RefreshSession, 'id' | 'userId'>,
    attempt: Attempt,
  ): Promise<readonly AuthEvent[]> {
    const { reuseScope, reuseEscalationThreshold } = this.options;
    if (reuseScope !== 'user' && (await this.sessions.countReuses(userId)) < reuseEscalationThreshold) return [];
    return (await this.revocation.revokeAll({ userId, sessionId: id }, 'reuse_detected', attempt)).events;
  }
}
