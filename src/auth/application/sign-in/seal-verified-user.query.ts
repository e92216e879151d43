import { Query } from '@nestjs/cqrs';
import type { VerifiedUser } from '../../domain/verified-user';

/**
 * Seals a user whom the host itself verifies, with the version floors of this moment: for a passkey, a social login or a link
 * in a mail. Dispatch it before you check the proof, or as soon as you know the user; whatever raises a floor afterwards
 * refuses the session from the start. The sealed user opens one session, within ten minutes. It is a credential: until the proof
 * is checked, it stays on the server, or goes where only the user can read it, as a link in a mail does. The query has no effect
 * and no record.
 */
export class SealVerifiedUserQuery extends Query<VerifiedUser> {
  constructor(
    /** An id that the directory knows; for any other `OpenSessionCommand` answers `user_not_found`. */
    readonly userId: string,
    /** What the user proves, for `ReadVerifiedUserQuery`: `passkey`, `google`, `link`; at most 64 of `a-z 0-9 _ . : -`. */
    readonly method: string,
  ) {
    super();
  }
}
