import { Readable } from 'node:stream';
import { Controller, Get, Param, Query, Req, StreamableFile } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiProblems, ApiTags, uuidPipe } from '../auth/http';
import {
  actorOf,
  type AuthEventPage,
  CountRareEventsQuery,
  CurrentPrincipal,
  type EventFilter,
  type EventPosition,
  FindAuthEventsQuery,
  GetSessionHistoryQuery,
  type HttpRequest,
  NoStore,
  type Principal,
  Roles,
} from '../index';
import { AuditEventPageDto, EventHistogramDto } from './audit-event.dto';
import { cursorOf, positionOf } from './cursor';
import { exported, MEDIA_TYPES } from './exported';
import {
  EventHistogramQueryDto,
  ExportAuditEventsDto,
  FindAuditEventsDto,
  SessionHistoryDto,
} from './find-audit-events.dto';

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
    const { cursor, limit = 50, ...filter } = query;
    return dtoOf(
      await this.queries.execute(
        new FindAuthEventsQuery(filterOf(filter), limit, afterOf(cursor), actorOf(principal, request)),
      ),
    );
  }

  @ApiOperation({
    summary: 'Export the audit trail',
    description:
      'Streams every event that matches all filters, newest first. If the connection is cut, the export is incomplete.',
  })
  @ApiOkResponse({
    content: {
      'application/x-ndjson': { schema: { type: 'string' } },
      'text/csv': { schema: { type: 'string' } },
    },
  })
  @ApiProblems([400, 401, 403, 503], {
    400: {
      description: 'A filter is malformed or does not exist',
      code: 'invalid_request',
      errors: [{ path: 'format', message: 'format must be one of the following values: jsonl, csv' }],
    },
  })
  @NoStore()
  @Get('audit-events/export')
  async exportAuditEvents(
    @Query() { format = 'jsonl', ...filter }: ExportAuditEventsDto,
    @CurrentPrincipal() principal: Principal,
    @Req() request: HttpRequest,
  ): Promise<StreamableFile> {
    const actor = actorOf(principal, request);
    const read = (after?: EventPosition) =>
      this.queries.execute(new FindAuthEventsQuery(filterOf(filter), EXPORT_PAGE, after, actor));
    // Before the answer begins, so that what fails at once is answered as by any other route.
    const first = await read();
    const stream = Readable.from(exported(format, pagesFrom(first, read)), { objectMode: false });
    return new StreamableFile(stream, {
      type: MEDIA_TYPES[format],
      disposition: `attachment; filename="audit-events.${format}"`,
    });
  }

  @ApiOperation({
    summary: 'Count what is rare in the audit trail',
    description:
      'By type and hour: every type of event except the two of a granted refresh, which are most of a trail. Types without an ' +
      'event in this time are left out.',
  })
  @ApiOkResponse({ type: EventHistogramDto })
  @ApiProblems([400, 401, 403, 503], {
    400: {
      description: 'A parameter is malformed or does not exist',
      code: 'invalid_request',
      errors: [{ path: 'hours', message: 'hours must not be greater than 168' }],
    },
  })
  @NoStore()
  @Get('audit-events/histogram')
  async countRareEvents(
    @Query() { hours = 24, to }: EventHistogramQueryDto,
    @CurrentPrincipal() principal: Principal,
    @Req() request: HttpRequest,
  ): Promise<EventHistogramDto> {
    return this.queries.execute(new CountRareEventsQuery(hours, dateOf(to), actorOf(principal, request)));
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

const EXPORT_PAGE = 200;

async function* pagesFrom(first: AuthEventPage, read: (after: EventPosition) => Promise<AuthEventPage>) {
  let { items, next } = first;
  yield items;
  while (next !== null) {
    ({ items, next } = await read(next));
    yield items;
  }
}

const filterOf = ({ from, to, ...equal }: ExportAuditEventsDto): EventFilter => ({
  ...equal,
  from: dateOf(from),
  to: dateOf(to),
});

const dtoOf = ({ items, next }: AuthEventPage): AuditEventPageDto => ({
  items: [...items],
  nextCursor: next === null ? null : cursorOf(next),
});

const afterOf = (cursor: string | undefined) => (cursor === undefined ? undefined : (positionOf(cursor) ?? undefined));

const dateOf = (time: string | undefined): Date | undefined => (time === undefined ? undefined : new Date(time));
