import { Command } from '@nestjs/cqrs';
import type { DbscProof } from '../../domain/binding';
import type { RefreshRefusal } from '../../domain/refusals';
import type { Result } from '../../domain/result';
import type { Client } from '../../domain/session';

/** What the browser gets for a registered key: the first bound cookie. */
export interface RegisteredKey {
  /** The id of the session, by which browser and server name it from now on, whatever session follows it. */
  readonly id: string;
  readonly accessToken: string;
  /** Seconds until the access token expires. */
  readonly expiresIn: number;
}

/**
 * Binds a session with cookie delivery to the key of the browser's device (Device Bound Session Credentials, a draft of the W3C;
 * experimental). The refresh token stays valid: nothing is rotated. A second key for the same login ends the session.
 */
export class RegisterDeviceKeyCommand extends Command<Result<RegisteredKey, RefreshRefusal>> {
  constructor(
    readonly refreshToken: string,
    readonly registration: DbscProof,
    readonly client: Client = {},
  ) {
    super();
  }
}
