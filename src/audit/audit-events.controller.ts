import { Controller, Get, Param, Query } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiProblems, uuidPipe } from '../auth/http';
import { type AuthEventPage, FindAuthEventsQuery, GetSessionHistoryQuery, NoStore, Roles } from '../index';
import { AuditEventPageDto } from './audit-event.dto';
import { cursorOf, positionOf } from './cursor';
import { FindAuditEventsDto, SessionHistoryDto } from './find-audit-events.dto';

@ApiTags('audit')
@ApiBearerAuth()
@Roles('admin')
@Controller('admin')
export class AuditEventsController {
  constructor(private readonly queries: QueryBus) {}

  @ApiOperation({ summary: 'Search the audit trail', description: 'Newest first; all filters must hold.' })
  @ApiOkResponse({ type: AuditEventPageDto })
  @ApiProblems([400, 401, 403, 503], {
    400: {
      description: 'A filter that cannot be read, or one that does not exist',
      code: 'invalid_request',
      errors: [{ path: 'cursor', message: 'cursor must be the nextCursor of an earlier page' }],
    },
  })
  @NoStore()
  @Get('audit-events')
  async find(@Query() query: FindAuditEventsDto): Promise<AuditEventPageDto> {
    const { from, to, cursor, limit = 50, ...filter } = query;
    return dtoOf(
      await this.queries.execute(
        new FindAuthEventsQuery({ ...filter, from: dateOf(from), to: dateOf(to) }, limit, afterOf(cursor)),
      ),
    );
  }

  @NoStore()
  @Get('sessions/:id/history')
  @ApiOperation({ summary: "A session's life, oldest first", description: 'Empty for a session that nobody knows.' })
  @ApiOkResponse({ type: AuditEventPageDto })
  @ApiProblems([400, 401, 403, 503])
  async history(
    @Param('id', uuidPipe('id')) id: string,
    @Query() { cursor, limit = 50 }: SessionHistoryDto,
  ): Promise<AuditEventPageDto> {
    return dtoOf(await this.queries.execute(new GetSessionHistoryQuery(id, limit, afterOf(cursor))));
  }
}

const dtoOf = ({ items, next }: AuthEventPage): AuditEventPageDto => ({
  items: [...items],
  nextCursor: next === null ? null : cursorOf(next),
});

const afterOf = (cursor: string | undefined) => (cursor === undefined ? undefined : (positionOf(cursor) ?? undefined));

const dateOf = (time: string | undefined): Date | undefined => (time === undefined ? undefined : new Date(time));
