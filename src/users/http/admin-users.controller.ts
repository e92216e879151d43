import { Body, Controller, Param, Patch, Req } from '@nestjs/common';
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
  actorOf,
  CurrentPrincipal,
  type DirectoryUser,
  type HttpRequest,
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
import { UpdateUserDto, UserDto } from './admin-users.dto';

@ApiTags('users')
@ApiBearerAuth()
@Roles('admin')
@Controller('admin/users')
export class AdminUsersController {
  constructor(
    private readonly commands: CommandBus,
    private readonly unitOfWork: UnitOfWork,
    private readonly users: UserDirectory,
  ) {}

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
}

/** Thrown inside the unit of work, so that both changes apply, or neither. */
function throwOn(result: Result<void, UserChangeRefusal>): void {
  if (!result.ok) throw new ProblemException(result.reason === 'user_not_found' ? 404 : 409, { code: result.reason });
}
