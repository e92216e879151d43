import { Query } from '@nestjs/cqrs';
import type { DirectoryUser } from '../../ports/user-directory';

/** The user as the directory knows it now; null when there is none, or it is inactive. */
export class FindActiveUserQuery extends Query<DirectoryUser | null> {
  constructor(readonly userId: string) {
    super();
  }
}
