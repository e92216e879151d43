import { Injectable } from '@nestjs/common';
import { Overloaded } from '../../../support/overloaded';
import { AllSessionsRevoked } from '../../domain/events';
import type { RevocationReason } from '../../domain/refusals';
import type { Client } from '../../domain/session';
import { Clock } from '../../ports/clock';
import { SessionRepository } from '../../ports/session.repository';
import { Attempt } from '../attempt';
import { RecordedChange } from '../recorded-change';

const BATCH = 1000;
const LONGEST_MS = 2000;

/** Too many to end in time. What has ended stays ended, and a repetition continues. */
class NotAllEnded extends Overloaded {
  constructor(ended: number) {
    super(`${ended} other sessions have ended, and there are more`);
  }
}

/** Ends all sessions of a user except one. The floor cannot rise, since one session stays: so they end in batches, each with its record. */
@Injectable()
export class OtherSessionsRevocation {
  constructor(
    private readonly sessions: SessionRepository,
    private readonly changes: RecordedChange,
    private readonly clock: Clock,
  ) {}

  /**
   * Returns the number of ended sessions.
   * @throws Overloaded after two seconds, if there are more
   */
  async revokeAllExcept(spared: string, userId: string, reason: RevocationReason, client: Client): Promise<number> {
    const startedAt = this.clock.now().getTime();
    for (let total = 0; ;) {
      const ended = await this.endBatch(spared, userId, reason, client);
      total += ended;
      if (ended < BATCH) return total;
      if (this.clock.now().getTime() - startedAt >= LONGEST_MS) throw new NotAllEnded(total);
    }
  }

  private async endBatch(spared: string, userId: string, reason: RevocationReason, client: Client): Promise<number> {
    return this.changes.commit(async () => {
      await this.sessions.lockUser(userId); // first the user and then the sessions, as everywhere: so two never wait for each other
      const ended = await this.sessions.revokeSome({ userId, except: spared }, reason, BATCH);
      const last = ended.at(-1);
      if (last === undefined) return { value: 0, events: [] };
      const context = new Attempt(client, this.clock.now()).finding({ userId, sessionId: spared });
      const event = new AllSessionsRevoked(context, reason, ended.length, null, spared, last);
      return { value: ended.length, events: [event] };
    });
  }
}
