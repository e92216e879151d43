import {
  applyDecorators,
  type CanActivate,
  type ExecutionContext,
  Injectable,
  SetMetadata,
  UnauthorizedException,
  UseGuards,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AccessTokenAuthenticator } from '../../../guard/access-token.authenticator';
import { demandFreshness } from '../../../guard/nest/freshness';
import { carrierOf } from '../../../guard/nest/http-request';
import { AuthOptions } from '../../options/auth.options';

const OPTION = 'ratchet:recent-proof';
type Option = 'adminReauthentication' | 'sessionReauthentication';

/** After the access-token guard, so that a caller without the role is refused for the role. */
@Injectable()
class RecentProofGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly options: AuthOptions,
    private readonly authenticator: AccessTokenAuthenticator,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const maxAgeSeconds = this.options[this.reflector.get<Option>(OPTION, context.getHandler())];
    if (maxAgeSeconds === null) return true;
    const { user } = carrierOf(context);
    if (user === undefined) throw new UnauthorizedException();
    demandFreshness(user, { maxAgeSeconds }, this.authenticator.now());
    return true;
  }
}

/** `@RequireAuth({ maxAge })` with the age of an option of auth's; null asks nothing. */
export const RecentProof = (option: Option): MethodDecorator =>
  applyDecorators(SetMetadata(OPTION, option), UseGuards(RecentProofGuard));

/** The answer to an access token whose proof is too old, for the documentation. */
export const PROOF_TOO_OLD = {
  description: 'No valid access token, or its user has to reauthenticate first (`recovery: step_up`)',
  code: 'reauthentication_required',
  recovery: 'step_up',
} as const;
