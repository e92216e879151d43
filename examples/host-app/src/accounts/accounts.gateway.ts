import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { CurrentPrincipal, type Principal } from 'nest-ratchet';
import { Accounts } from './accounts.js';

/** Closed by the global guard, like every route. */
@WebSocketGateway()
export class AccountsGateway {
  constructor(private readonly accounts: Accounts) {}

  @SubscribeMessage('accounts')
  async mine(@CurrentPrincipal() { userId }: Principal): Promise<string[]> {
    return (await this.accounts.of(userId)).map(({ name }) => name);
  }
}
