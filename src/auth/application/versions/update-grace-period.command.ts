import { Command } from '@nestjs/cqrs';
import type { SecurityPolicy } from '../../../guard/versions';
import type { Actor } from '../actor';

/** Sets the default grace period of later rotations. A running grace period does not change. */
export class UpdateGracePeriodCommand extends Command<SecurityPolicy> {
  constructor(
    /** Whole seconds, 0 or more. */
    readonly gracePeriodSeconds: number,
    readonly actor: Actor = {},
  ) {
    super();
  }
}
