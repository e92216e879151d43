import { Command } from '@nestjs/cqrs';
import type { Result } from '../../domain/result';
import type { Actor } from '../actor';

/** A raise of one user's floor, as it was committed. */
export interface UserRotation {
  readonly userId: string;
  readonly previousVersion: number;
  readonly newVersion: number;
}

/** Raises one user's floor: all of the user's tokens are refused at once, without any grace. */
export class TriggerUserTokenRotationCommand extends Command<Result<UserRotation, 'user_not_found'>> {
  constructor(
    readonly userId: string,
    /** Why, in words, for the record: 1 to 500 characters. */
    readonly reason: string,
    readonly actor: Actor = {},
  ) {
    super();
  }
}
