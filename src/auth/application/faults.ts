import { NotRecorded, Overloaded } from '../../support/overloaded';
import { ProofProblem } from '../../support/proof-problem';
import { Throttled } from '../../support/throttled';
import type { AuthEvent, FaultReason } from '../domain/events';
import type { AuthEvents } from '../ports/auth-events';

/** The refresh lost every race; the client's token remains valid. */
export class TooContended extends Overloaded {
  constructor() {
    super('The session changed again and again while it was refreshed');
  }
}

/** The token is ahead of its session, as after a failover that lost commits; the client's token may become valid again. */
export class RecoveryPending extends Overloaded {
  constructor() {
    super('Another database server has answered, and the session is older than the token', 10);
  }
}

/**
 * Runs `work`. If it throws, the fault is recorded as the attempt's ending and thrown again. If the fault is that nothing
 * can be recorded, neither the attempt nor an ending has a record, and nothing was changed. Nor has a request for another proof.
 */
export async function endingWithFaults<T>(
  events: AuthEvents,
  work: () => Promise<T>,
  failed: (reason: FaultReason) => readonly AuthEvent[],
): Promise<T> {
  try {
    return await work();
  } catch (fault) {
    if (fault instanceof NotRecorded || fault instanceof ProofProblem) throw fault;
    if (fault instanceof Throttled) {
      events.recordJunk(failed('throttled'));
      throw fault;
    }
    await events.record(failed(reasonOf(fault))).catch(() => undefined); // the caller gets the first fault
    throw fault;
  }
}

function reasonOf(fault: unknown): FaultReason {
  if (fault instanceof TooContended) return 'contended';
  if (fault instanceof RecoveryPending) return 'recovery_pending';
  return fault instanceof Overloaded ? 'overloaded' : 'fault';
}
