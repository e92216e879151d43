import { Injectable, UnauthorizedException } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import {
  clientOf,
  type DeliveredPair,
  type HttpRequest,
  OpenSessionCommand,
  type SessionOpening,
  TokenDelivery,
  type VerifiedUser,
} from 'nest-ratchet';

/** How a person was verified. */
export type Proof = Pick<SessionOpening, 'method' | 'amr' | 'acr' | 'authTime'>;

/** The last step of every sign-in of this application. */
@Injectable()
export class SessionOpener {
  constructor(
    private readonly commands: CommandBus,
    private readonly delivery: TokenDelivery,
  ) {}

  /** The refresh token is in a cookie, the rest of the pair in the answer. */
  async open(user: VerifiedUser, proof: Proof, request: HttpRequest, response: unknown): Promise<DeliveredPair> {
    const opening = { ...proof, client: clientOf(request), delivery: 'cookie', claims: { channel: 'web' } } as const;
    const result = await this.commands.execute(new OpenSessionCommand(user, opening));
    if (!result.ok) throw new UnauthorizedException();
    return this.delivery.give(response, result.value, 'cookie');
  }
}
