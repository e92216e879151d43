import { type ExecutionContext, Injectable } from '@nestjs/common';
import { WsException } from '@nestjs/websockets';
import { AccessTokenGuard, type HttpRequest } from 'nest-ratchet';
import type { Socket } from 'socket.io';

/**
 * Auth's guard, which also reads the token of a socket. It checks each message, so a log-out also takes effect on open
 * sockets. Browsers cannot send a header with a socket: the client sends the token as `io(url, { auth: { token } })`.
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
      // For any other error, a gateway sends its client only "Internal server error".
      throw context.getType() === 'ws' ? new WsException('Unauthorized') : refusal;
    });
  }
}
