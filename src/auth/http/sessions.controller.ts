import { Delete, Get, HttpCode, Param, Req, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal } from '../../guard/nest/decorators';
import type { HttpRequest } from '../../guard/nest/http-request';
import { ProblemException } from '../../guard/nest/problem.exception';
import type { Principal } from '../../guard/principal';
import { ListSessionsQuery } from '../application/sessions/list-sessions.query';
import { RevokeOtherSessionsCommand } from '../application/sessions/revoke-other-sessions.command';
import { RevokeSessionCommand } from '../application/sessions/revoke-session.command';
import { ApiProblems } from './kit/api-problems';
import { AuthRoutes, ValidQuery } from './kit/auth-routes';
import { clientOf } from './kit/client-of';
import { NoStore } from './kit/no-store';
import { uuidPipe } from './kit/validation.pipe';
import { RefreshCookie } from './refresh-cookie';
import { RevokedSessionsDto, RevokeOthersQueryDto, SessionDto } from './session.dto';

@ApiTags('sessions')
@ApiBearerAuth()
@AuthRoutes('auth/sessions')
export class SessionsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
    private readonly cookie: RefreshCookie,
  ) {}

  @ApiOperation({
    summary: 'List my sessions',
    description: 'Sessions that could still be refreshed, most recently used first.',
  })
  @ApiOkResponse({ type: [SessionDto] })
  @ApiProblems([401, 503])
  @NoStore()
  @Get()
  async listSessions(@CurrentPrincipal() { userId, sessionId }: Principal): Promise<SessionDto[]> {
    return this.queries.execute(new ListSessionsQuery(userId, sessionId));
  }

  @ApiOperation({ summary: 'End one of my sessions' })
  @ApiNoContentResponse({ description: 'The session has ended' })
  @ApiProblems([400, 401, 404, 503], { 404: { description: 'No session of yours has this id' } })
  @NoStore()
  @HttpCode(204)
  @Delete(':id')
  async revokeSession(
    @Param('id', uuidPipe('id')) id: string,
    @CurrentPrincipal() { userId, sessionId }: Principal,
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: unknown,
  ): Promise<void> {
    const found = await this.commands.execute(
      new RevokeSessionCommand(id, { of: userId, actor: { client: clientOf(request) } }),
    );
    if (!found) throw new ProblemException(404);
    if (id === sessionId) this.cookie.clear(request, response);
  }

  @ApiOperation({ summary: 'End all my other sessions' })
  @ApiQuery({
    name: 'except',
    enum: ['current'],
    description: 'Required, so that a request with a missing id does not end all sessions.',
  })
  @ApiOkResponse({ type: RevokedSessionsDto })
  @ApiProblems([400, 401, 503])
  @NoStore()
  @Delete()
  async revokeOtherSessions(
    @ValidQuery(RevokeOthersQueryDto) _query: RevokeOthersQueryDto,
    @CurrentPrincipal() { userId, sessionId }: Principal,
    @Req() request: HttpRequest,
  ): Promise<RevokedSessionsDto> {
    const command = new RevokeOtherSessionsCommand(userId, sessionId, clientOf(request));
    return { revokedSessions: await this.commands.execute(command) };
  }
}
