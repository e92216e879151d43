import { type ExecutionContext, Injectable } from '@nestjs/common';
import { WsException } from '@nestjs/websockets';
import { AccessTokenGuard } from 'nest-ratchet';

/** Auth's guard, with the errors that a gateway passes on to its client. */
@Injectable()
export class TokenGuard extends AccessTokenGuard {
  override async canActivate(context: ExecutionContext): Promise<boolean> {
    return super.canActivate(context).catch((refusal: Error) => {
      // For any other error, a gateway sends its client only "Internal server error".
      throw context.getType() === 'ws' ? new WsException('Unauthorized') : refusal;
    });
  }
}
