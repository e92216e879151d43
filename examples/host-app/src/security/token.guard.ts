import { type ExecutionContext, Injectable } from '@nestjs/common';
import { WsException } from '@nestjs/websockets';
import { AccessTokenGuard, type HttpRequest } from 'nest-ratchet';
import type { Socket } from 'socket.io';

/**
 * Auth's guard, which also finds the token of a socket. It is asked at each message, so a log-out is felt on open
 * sockets, too. Browsers can send no header with a socket: the token comes as `io(url, { auth: { token } })`.
 */
@Injectable()
export class TokenGuard extends AccessTokenGuard {
  protected override requestOf(context: ExecutionContext): HttpRequest {
    if (context.getType() !== 'ws') return super.requestOf(context);
    const { token } = context.switchToWs().getClient<Socket>().handshake.auth as { token?: string };
    return { headers: { authorization: `Bearer ${token}` } };
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    return super.canActivate(context).catch((refusal: Error) => {
      // Of any other error a gateway tells its client nothing but "Internal server error".
      throw context.getType() === 'ws' ? new WsException('Unauthorized') : refusal;
    });
  }
}
