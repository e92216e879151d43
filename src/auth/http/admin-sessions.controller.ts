import { Delete, Get, HttpCode, Param, Req } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { CurrentPrincipal, Roles } from '../../guard/nest/decorators';
import type { HttpRequest } from '../../guard/nest/http-request';
import { ProblemException } from '../../guard/nest/problem.exception';
import type { Principal } from '../../guard/principal';
import { ListSessionsQuery, MAX_PAGE } from '../application/sessions/list-sessions.query';
import { RevokeSessionCommand } from '../application/sessions/revoke-session.command';
import { RevokeUserSessionsCommand } from '../application/sessions/revoke-user-sessions.command';
import { ApiProblems } from './kit/api-problems';
import { AuthRoutes, ValidQuery } from './kit/auth-routes';
import { actorOf } from './kit/client-of';
import { NoStore } from './kit/no-store';
import { ApiBearerAuth, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from './kit/openapi';
import { ApiPage, badPage } from './kit/page.dto';
import { PROOF_TOO_OLD, RecentProof } from './kit/recent-proof';
import { userIdPipe, uuidPipe } from './kit/validation.pipe';
import { ListSessionsDto, RevokedSessionsDto, SessionPageDto } from './session.dto';

@ApiTags('security')
@ApiBearerAuth()
@Roles('admin')
@AuthRoutes('admin')
export class AdminSessionsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
  ) {}

  @ApiOperation({
    summary: "List a user's sessions",
    description: 'A page, like that of `GET /auth/sessions`. The rate limit counts the administrator who asks.',
  })
  @ApiPage(MAX_PAGE)
  @ApiOkResponse({ type: SessionPageDto })
  @ApiProblems([400, 401, 403, 429, 503], { 400: badPage(MAX_PAGE) })
  @NoStore()
  @Get('users/:id/sessions')
  async listUserSessions(
    @Param('id', userIdPipe('id')) id: string,
    @ValidQuery(ListSessionsDto) { limit, cursor }: ListSessionsDto,
    @CurrentPrincipal() { userId }: Principal,
  ): Promise<SessionPageDto> {
    return this.queries.execute(new ListSessionsQuery(id, undefined, { limit, cursor, by: userId }));
  }

  @ApiOperation({
    summary: "End a user's sessions",
    description: "Ends all of the user's sessions. Their access tokens are refused at once.",
  })
  @ApiOkResponse({ type: RevokedSessionsDto })
  @ApiProblems([400, 401, 403, 429, 503], { 401: PROOF_TOO_OLD })
  @RecentProof('adminReauthentication')
  @Delete('users/:id/sessions')
  async revokeUserSessions(
    @Param('id', userIdPipe('id')) id: string,
    @CurrentPrincipal() principal: Principal,
    @Req() request: HttpRequest,
  ): Promise<RevokedSessionsDto> {
    const command = new RevokeUserSessionsCommand(id, 'admin_action', actorOf(principal, request));
    return { revokedSessions: await this.commands.execute(command) };
  }

  @ApiOperation({ summary: 'End a session of any user', description: 'Its access tokens are refused at once.' })
  @ApiNoContentResponse({ description: 'The session has ended' })
  @ApiProblems([400, 401, 403, 404, 503], {
    401: PROOF_TOO_OLD,
    404: { description: 'No session has this id' },
  })
  @RecentProof('adminReauthentication')
  @NoStore()
  @HttpCode(204)
  @Delete('sessions/:id')
  async endSession(
    @Param('id', uuidPipe('id')) id: string,
    @CurrentPrincipal() principal: Principal,
    @Req() request: HttpRequest,
  ): Promise<void> {
    const found = await this.commands.execute(new RevokeSessionCommand(id, { actor: actorOf(principal, request) }));
    if (!found) throw new ProblemException(404);
  }
}
