import { Body, Controller, Get, HttpCode, Param, Patch, Post, Query, Req } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import {
  ApiBearerAuth,
  ApiOkResponse,
  ApiOperation,
  ApiProblems,
  ApiTags,
  PROOF_TOO_OLD,
  RecentProof,
  userIdPipe,
} from '../../auth/http';
import {
  ActAsUserCommand,
  type ActAsRefusal,
  type ActingToken,
  actorOf,
  AuthOptions,
  clientOf,
  CurrentPrincipal,
  type DirectoryUser,
  type HttpRequest,
  NoStore,
  type Principal,
  ProblemException,
  type Result,
  Roles,
  SetUserActiveCommand,
  SetUserRolesCommand,
  UnitOfWork,
  type UserChangeRefusal,
  UserDirectory,
} from '../../index';
import { ActForUserDto, ActingTokenDto, FindUsersDto, FoundUsersDto, UpdateUserDto, UserDto } from './admin-users.dto';

@ApiTags('users')
@ApiBearerAuth()
@Roles('admin')
@Controller('admin/users')
export class AdminUsersController {
  constructor(
    private readonly commands: CommandBus,
    private readonly unitOfWork: UnitOfWork,
    private readonly users: UserDirectory,
    private readonly options: AuthOptions,
  ) {}

  @ApiOperation({
    summary: 'Search users',
    description: 'Ordered by e-mail, without pages: refine a search that finds too many.',
  })
  @ApiOkResponse({ type: FoundUsersDto })
  @ApiProblems([400, 401, 403, 404, 503], {
    404: { description: 'The directory of users offers no search' },
    400: {
      description: 'A parameter is malformed or unknown',
      code: 'invalid_request',
      errors: [{ path: 'limit', message: 'limit must not be greater than 100' }],
    },
  })
  @NoStore()
  @Get()
  async findUsers(@Query() { query = '', limit = 20 }: FindUsersDto): Promise<FoundUsersDto> {
    const found = await this.users.search?.(query, limit + 1);
    if (found === undefined) throw new ProblemException(404);
    return { items: found.slice(0, limit), hasMore: found.length > limit };
  }

  @ApiOperation({
    summary: 'Activate or deactivate a user, or set roles',
    description:
      "A deactivation ends all of the user's sessions. The removal of a role refuses all of the user's tokens. The last " +
      'active administrator cannot be deactivated, and keeps the role.',
  })
  @ApiOkResponse({ type: UserDto })
  @ApiProblems([400, 401, 403, 404, 409, 413, 415, 429, 503], {
    401: PROOF_TOO_OLD,
    404: { description: 'No such user', code: 'user_not_found' },
    409: { description: 'No active administrator would be left', code: 'last_admin' },
  })
  @RecentProof('adminReauthentication')
  @Patch(':id')
  async updateUser(
    @Param('id', userIdPipe('id')) id: string,
    @Body() { isActive, roles }: UpdateUserDto,
    @CurrentPrincipal() principal: Principal,
    @Req() request: HttpRequest,
  ): Promise<DirectoryUser> {
    const actor = actorOf(principal, request);
    return this.unitOfWork.run(async () => {
      if (roles !== undefined) throwOn(await this.commands.execute(new SetUserRolesCommand(id, roles, actor)));
      if (isActive !== undefined) throwOn(await this.commands.execute(new SetUserActiveCommand(id, isActive, actor)));
      const user = await this.users.findById(id);
      if (user === null) throw new ProblemException(404, { code: 'user_not_found' });
      return user;
    });
  }

  @ApiOperation({
    summary: 'Act for a user',
    description:
      'Returns an access token of the user that names you as the actor. It lasts 10 minutes at most, and not longer than ' +
      'your session. No refresh token belongs to it, and routes that require the user in person refuse it. The limit of ' +
      'lists counts these tokens, too.',
  })
  @ApiOkResponse({ type: ActingTokenDto })
  @ApiProblems([400, 401, 403, 404, 409, 413, 415, 429, 503], {
    401: PROOF_TOO_OLD,
    404: { description: 'No such user', code: 'user_not_found' },
    409: {
      description: 'The user is deactivated (`user_inactive`), or is yourself (`acting_for_oneself`)',
      code: 'user_inactive',
    },
  })
  @RecentProof('adminReauthentication')
  @NoStore()
  @HttpCode(200)
  @Post(':id/act')
  async actForUser(
    @Param('id', userIdPipe('id')) id: string,
    @Body() { reason }: ActForUserDto,
    @CurrentPrincipal() { sessionId }: Principal,
    @Req() request: HttpRequest,
  ): Promise<ActingToken> {
    const ttl = Math.min(ACT_SECONDS, this.options.accessTokenTtlSeconds);
    const acting = { reason, ttl, client: clientOf(request) };
    const result = await this.commands.execute(new ActAsUserCommand(sessionId, id, acting));
    if (!result.ok) throw new ProblemException(ACT_STATUSES[result.reason], { code: result.reason });
    return result.value;
  }
}

const ACT_SECONDS = 600;

const ACT_STATUSES: Readonly<Record<ActAsRefusal, number>> = {
  user_not_found: 404,
  user_inactive: 409,
  acting_for_oneself: 409,
  // After the guard has let the request through.
  actor_session_ended: 403,
  actor_inactive: 403,
};

/** Thrown inside the unit of work, so that both changes apply, or neither. */
function throwOn(result: Result<void, UserChangeRefusal>): void {
  if (!result.ok) throw new ProblemException(result.reason === 'user_not_found' ? 404 : 409, { code: result.reason });
}
