import { Query } from '@nestjs/cqrs';
import type { DirectoryUser } from '../../ports/user-directory';

/** Finds the user as the directory has it now; null if there is none, or the user is inactive. */
export class FindActiveUserQuery extends Query<DirectoryUser | null> {
  constructor(readonly userId: string) {
    super();
  }
}
