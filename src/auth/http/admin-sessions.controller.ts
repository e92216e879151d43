import { Delete, Get, Param, Req } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, Roles } from '../../guard/nest/decorators';
import type { HttpRequest } from '../../guard/nest/http-request';
import type { Principal } from '../../guard/principal';
import { ListSessionsQuery } from '../application/sessions/list-sessions.query';
import { RevokeUserSessionsCommand } from '../application/sessions/revoke-user-sessions.command';
import { ApiProblems } from './kit/api-problems';
import { AuthRoutes } from './kit/auth-routes';
import { actorOf } from './kit/client-of';
import { NoStore } from './kit/no-store';
import { userIdPipe } from './kit/validation.pipe';
import { RevokedSessionsDto, SessionDto } from './session.dto';

@ApiTags('security')
@ApiBearerAuth()
@Roles('admin')
@AuthRoutes('admin/users/:id/sessions')
export class AdminSessionsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
  ) {}

  @ApiOperation({ summary: "List a user's sessions" })
  @ApiOkResponse({ type: [SessionDto] })
  @ApiProblems([400, 401, 403, 503])
  @NoStore()
  @Get()
  async listUserSessions(@Param('id', userIdPipe('id')) id: string): Promise<SessionDto[]> {
    return this.queries.execute(new ListSessionsQuery(id));
  }

  @ApiOperation({
    summary: "End a user's sessions",
    description: "Ends all of the user's sessions. Their access tokens are refused at once.",
  })
  @ApiOkResponse({ type: RevokedSessionsDto })
  @ApiProblems([400, 401, 403, 503])
  @Delete()
  async revokeUserSessions(
    @Param('id', userIdPipe('id')) id: string,
    @CurrentPrincipal() principal: Principal,
    @Req() request: HttpRequest,
  ): Promise<RevokedSessionsDto> {
    const command = new RevokeUserSessionsCommand(id, 'admin_action', actorOf(principal, request));
    return { revokedSessions: await this.commands.execute(command) };
  }
}
