import { UseGuards } from '@nestjs/common';
import { type OnGatewayInit, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  AccessTokenAuthenticator,
  AccessTokenGuard,
  authenticateSocket,
  CurrentPrincipal,
  type Principal,
} from 'nest-ratchet';
import type { Server } from 'socket.io';
import { Accounts } from './accounts.js';

/** Guarded here: the global guard reaches gateways on Nest 12 only. */
@UseGuards(AccessTokenGuard)
@WebSocketGateway()
export class AccountsGateway implements OnGatewayInit<Server> {
  constructor(
    private readonly accounts: Accounts,
    private readonly authenticator: AccessTokenAuthenticator,
  ) {}

  /** Sockets connect with an access token, and are disconnected when its session ends. */
  afterInit(server: Server): void {
    server.use(authenticateSocket(this.authenticator));
  }

  @SubscribeMessage('accounts')
  async mine(@CurrentPrincipal() { userId }: Principal): Promise<string[]> {
    return (await this.accounts.of(userId)).map(({ name }) => name);
  }
}
