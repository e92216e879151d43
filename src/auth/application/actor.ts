import { demand, userIdProblem } from '../domain/input-rules';
import type { Client } from '../domain/session';
import type { RecordBound } from '../ports/auth-events';

/** The user and client that act on another user; without a user for the system itself and the command line. */
export interface Actor {
  readonly userId?: string | undefined;
  readonly client?: Client | undefined;
}

/**
 * Who acts, as the events name them; null for the system itself.
 * @throws InvalidInput if it is no user's id
 */
export function actorId({ userId }: Actor): string | null {
  const id = userId ?? null;
  if (id !== null) demand({ 'actor.userId': userIdProblem(id) });
  return id;
}

/** An actor's refused changes change nothing: they are recorded one by one up to 10 a minute, and summed up beyond that. */
export const refusedChangesOf = ({ userId = 'system' }: Actor): RecordBound => ({
  key: `refused change of ${userId}`,
  most: 10,
  seconds: 60,
});
