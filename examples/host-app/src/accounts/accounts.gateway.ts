import { UseGuards } from '@nestjs/common';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { AccessTokenGuard, CurrentPrincipal, type Principal } from 'nest-ratchet';
import { Accounts } from './accounts.js';

/** Guarded here: the global guard reaches gateways on Nest 12 only. */
@UseGuards(AccessTokenGuard)
@WebSocketGateway()
export class AccountsGateway {
  constructor(private readonly accounts: Accounts) {}

  @SubscribeMessage('accounts')
  async mine(@CurrentPrincipal() { userId }: Principal): Promise<string[]> {
    return (await this.accounts.of(userId)).map(({ name }) => name);
  }
}
