import type { Session } from '../domain/session';

/** Whether the key that a session is bound to has signed the request; false for a session that is not bound, or to a key of another kind. */
export interface KeyProof {
  isBy(session: Pick<Session, 'id' | 'binding'>): Promise<boolean>;
}
