import { Delete, Get, HttpCode, Param, Patch, Req, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { CurrentPrincipal } from '../../guard/nest/decorators';
import type { HttpRequest } from '../../guard/nest/http-request';
import { ProblemException } from '../../guard/nest/problem.exception';
import type { Principal } from '../../guard/principal';
import { ListSessionsQuery, MAX_PAGE } from '../application/sessions/list-sessions.query';
import { RenameSessionCommand } from '../application/sessions/rename-session.command';
import { RevokeOtherSessionsCommand } from '../application/sessions/revoke-other-sessions.command';
import { RevokeSessionCommand } from '../application/sessions/revoke-session.command';
import { ApiProblems, IN_PERSON_REQUIRED } from './kit/api-problems';
import { AuthRoutes, JsonBody, ValidQuery } from './kit/auth-routes';
import { clientOf } from './kit/client-of';
import { NoStore } from './kit/no-store';
import {
  ApiBearerAuth,
  ApiBody,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiQuery,
  ApiTags,
} from './kit/openapi';
import { ApiPage, badPage } from './kit/page.dto';
import { PROOF_TOO_OLD, RecentProof } from './kit/recent-proof';
import { uuidPipe } from './kit/validation.pipe';
import { TokenDelivery } from './token-delivery';
import {
  ListSessionsDto,
  RenameSessionDto,
  RevokedSessionsDto,
  RevokeOthersQueryDto,
  SessionPageDto,
} from './session.dto';

@ApiTags('sessions')
@ApiBearerAuth()
@AuthRoutes('auth/sessions')
export class SessionsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
    private readonly cookie: TokenDelivery,
  ) {}

  @ApiOperation({
    summary: 'List my sessions',
    description:
      'A page of the sessions that could still be refreshed, most recently used first. A session that is refreshed between two pages moves to the front.',
  })
  @ApiPage(MAX_PAGE)
  @ApiOkResponse({ type: SessionPageDto })
  @ApiProblems([400, 401, 403, 429, 503], { 400: badPage(MAX_PAGE), 403: IN_PERSON_REQUIRED })
  @NoStore()
  @Get()
  async listSessions(
    @ValidQuery(ListSessionsDto) { limit, cursor }: ListSessionsDto,
    @CurrentPrincipal() { userId, sessionId }: Principal,
  ): Promise<SessionPageDto> {
    return this.queries.execute(new ListSessionsQuery(userId, sessionId, { limit, cursor, by: userId }));
  }

  @ApiOperation({ summary: 'Name the device of one of my sessions' })
  @ApiBody({ type: RenameSessionDto })
  @ApiNoContentResponse({ description: 'The session has its new name' })
  @ApiProblems([400, 401, 403, 404, 413, 415, 429, 503], {
    403: IN_PERSON_REQUIRED,
    404: { description: 'No live session of yours has this id' },
  })
  @NoStore()
  @HttpCode(204)
  @Patch(':id')
  async renameSession(
    @Param('id', uuidPipe('id')) id: string,
    @JsonBody(RenameSessionDto) { deviceName }: RenameSessionDto,
    @CurrentPrincipal() { userId }: Principal,
    @Req() request: HttpRequest,
  ): Promise<void> {
    const found = await this.commands.execute(new RenameSessionCommand(id, userId, deviceName, clientOf(request)));
    if (!found) throw new ProblemException(404);
  }

  @ApiOperation({ summary: 'End one of my sessions' })
  @ApiNoContentResponse({ description: 'The session has ended' })
  @ApiProblems([400, 401, 403, 404, 503], {
    401: PROOF_TOO_OLD,
    403: IN_PERSON_REQUIRED,
    404: { description: 'No session of yours has this id' },
  })
  @RecentProof('sessionReauthentication')
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

  @ApiOperation({
    summary: 'End all my other sessions',
    description:
      'They end in batches of 1,000. If that takes more than two seconds, the answer is 503: what has ended stays ended, and a repetition continues.',
  })
  @ApiQuery({
    name: 'except',
    enum: ['current'],
    description: 'Required, so that a request with a missing id does not end all sessions.',
  })
  @ApiOkResponse({ type: RevokedSessionsDto })
  @ApiProblems([400, 401, 403, 503], { 401: PROOF_TOO_OLD, 403: IN_PERSON_REQUIRED })
  @RecentProof('sessionReauthentication')
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
