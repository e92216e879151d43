import { Controller, Get, Param, Query, Req } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiProblems, ApiTags, uuidPipe } from '../auth/http';
import {
  actorOf,
  type AuthEventPage,
  CurrentPrincipal,
  FindAuthEventsQuery,
  GetSessionHistoryQuery,
  type HttpRequest,
  NoStore,
  type Principal,
  Roles,
} from '../index';
import { AuditEventPageDto } from './audit-event.dto';
import { cursorOf, positionOf } from './cursor';
import { FindAuditEventsDto, SessionHistoryDto } from './find-audit-events.dto';

@ApiTags('audit')
@ApiBearerAuth()
@Roles('admin')
@Controller('admin')
export class AuditEventsController {
  constructor(private readonly queries: QueryBus) {}

  @ApiOperation({ summary: 'Search the audit trail', description: 'Newest first. An event must match all filters.' })
  @ApiOkResponse({ type: AuditEventPageDto })
  @ApiProblems([400, 401, 403, 503], {
    400: {
      description: 'A filter is malformed or does not exist',
      code: 'invalid_request',
      errors: [{ path: 'cursor', message: 'cursor must be the nextCursor of an earlier page' }],
    },
  })
  @NoStore()
  @Get('audit-events')
  async findAuditEvents(
    @Query() query: FindAuditEventsDto,
    @CurrentPrincipal() principal: Principal,
    @Req() request: HttpRequest,
  ): Promise<AuditEventPageDto> {
    const { from, to, cursor, limit = 50, ...filter } = query;
    return dtoOf(
      await this.queries.execute(
        new FindAuthEventsQuery(
          { ...filter, from: dateOf(from), to: dateOf(to) },
          limit,
          afterOf(cursor),
          actorOf(principal, request),
        ),
      ),
    );
  }

  @NoStore()
  @Get('sessions/:id/history')
  @ApiOperation({
    summary: "List a session's events",
    description: 'A page, oldest first; empty for an unknown session.',
  })
  @ApiOkResponse({ type: AuditEventPageDto })
  @ApiProblems([400, 401, 403, 503])
  async getSessionHistory(
    @Param('id', uuidPipe('id')) id: string,
    @Query() { cursor, limit = 1000 }: SessionHistoryDto,
    @CurrentPrincipal() principal: Principal,
    @Req() request: HttpRequest,
  ): Promise<AuditEventPageDto> {
    return dtoOf(
      await this.queries.execute(new GetSessionHistoryQuery(id, limit, afterOf(cursor), actorOf(principal, request))),
    );
  }
}

const dtoOf = ({ items, next }: AuthEventPage): AuditEventPageDto => ({
  items: [...items],
  nextCursor: next === null ? null : cursorOf(next),
});

const afterOf = (cursor: string | undefined) => (cursor === undefined ? undefined : (positionOf(cursor) ?? undefined));

const dateOf = (time: string | undefined): Date | undefined => (time === undefined ? undefined : new Date(time));
