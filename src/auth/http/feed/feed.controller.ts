import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Get, Header, type OnApplicationBootstrap, Req, Res, StreamableFile, UseGuards } from '@nestjs/common';
import { type AbstractHttpAdapter, HttpAdapterHost } from '@nestjs/core';
import { Public } from '../../../guard/nest/decorators';
import type { HttpRequest } from '../../../guard/nest/http-request';
import { RevocationView } from '../../../guard/revocation.view';
import { AuthOptions } from '../../options/auth.options';
import { ApiProblems } from '../kit/api-problems';
import { AuthRoutes, ValidQuery } from '../kit/auth-routes';
import { NoStore } from '../kit/no-store';
import { ApiBasicAuth, ApiOkResponse, ApiOperation, ApiQuery, ApiTags } from '../kit/openapi';
import { RESOURCE_SERVER, ResourceServerGuard } from '../kit/resource-server-credentials';
import { cursorOfText } from '../../application/resource-servers/feed-cursor';
import { FeedRevocationDto, PollDto, RevocationsDto } from './feed.dto';
import { type FeedAnswer, MAX_WAIT, RevocationPolls } from '../../application/resource-servers/revocation-polls';

/** In bytes: one packet has as much room. */
const WORTH_GZIP = 1400;
const MIN_CONNECTION_MS = 25_000;
const zip = promisify(gzip);

/** A response of Node's, or one of Fastify's around it. */
interface Response {
  readonly raw?: Response;
  once(event: 'close', listener: () => void): void;
}

@ApiTags('services')
@ApiBasicAuth(RESOURCE_SERVER)
@AuthRoutes('auth/revocations')
export class FeedController implements OnApplicationBootstrap {
  constructor(
    private readonly polls: RevocationPolls,
    private readonly view: RevocationView,
    private readonly options: AuthOptions,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  /** @throws Error when the server would cut connections that wait */
  onApplicationBootstrap(): void {
    if (!this.polls.isOn) return;
    // A context without a server has no adapter.
    const adapter = this.adapterHost.httpAdapter as AbstractHttpAdapter | undefined;
    const { timeout = 0 } = (adapter?.getHttpServer() ?? {}) as { timeout?: number };
    if (timeout !== 0 && timeout <= MIN_CONNECTION_MS) {
      throw new Error(
        `The HTTP server closes connections after ${timeout} ms, and GET /auth/revocations waits up to ${MAX_WAIT} s: ` +
          `set connectionTimeout of Fastify, or the server's timeout, to 0 or above ${MIN_CONNECTION_MS} ms`,
      );
    }
  }

  @ApiOperation({
    summary: 'Follow the revocations',
    description:
      'For services that verify access tokens by themselves. Answers at once if there is something new since `after`, else ' +
      'after `wait` seconds with no revocations. Without `after`, and where a cursor is too old, the answer is a snapshot, in ' +
      'pages: ask again with each `cursor`, and wait a second after the last page. An answer contains every ' +
      'revocation until two seconds before the request.',
  })
  @ApiQuery({
    name: 'after',
    required: false,
    description: 'The `cursor` of the answer before',
    schema: { type: 'string' },
  })
  @ApiQuery({
    name: 'wait',
    required: false,
    description: 'How long to wait for something new, in seconds',
    schema: { type: 'integer', minimum: 0, maximum: MAX_WAIT, default: 0 },
  })
  @ApiOkResponse({ type: RevocationsDto })
  @ApiProblems([400, 401, 429, 503], {
    400: {
      description: 'A parameter is malformed or unknown',
      code: 'invalid_request',
      errors: [{ path: 'wait', message: `wait must be a whole number of seconds from 0 to ${MAX_WAIT}` }],
    },
    401: { description: 'No resource server has these credentials', code: 'invalid_client', challenge: 'Basic' },
    503: { description: 'This instance has not read the revocations for two seconds', code: 'unavailable' },
  })
  @Public()
  @UseGuards(ResourceServerGuard)
  @NoStore()
  @Header('Vary', 'Accept-Encoding')
  @Get()
  async readRevocations(
    @ValidQuery(PollDto) { after, wait = 0 }: PollDto,
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<RevocationsDto | StreamableFile> {
    const gone = new AbortController();
    (response.raw ?? response).once('close', () => gone.abort());
    const answer = await this.polls.answer(cursorOfText(after), wait, gone.signal);
    return this.sent(this.bodyOf(answer), request, response);
  }

  private bodyOf({ cursor, snapshot, policy, revocations }: FeedAnswer): RevocationsDto {
    const { globalMinTokenVersion: version, mode, graceEndsAt } = policy;
    return {
      cursor,
      snapshot,
      issuer: this.options.accessTokenIssuer,
      policy: { version, mode, graceEndsAt },
      accessTokenTtl: this.options.accessTokenTtlSeconds,
      now: this.view.now(),
      revocations: revocations.map((one): FeedRevocationDto =>
        one.kind === 'user'
          ? { kind: one.kind, subject: one.userId, minVersion: one.minVersion, at: one.announcedAt }
          : { kind: one.kind, subject: one.sessionId, at: one.announcedAt },
      ),
    };
  }

  /** Compressed where it is large and the client can read that: revocations have much in common. */
  private async sent(body: RevocationsDto, { headers }: HttpRequest, response: Response) {
    // The members before the list are at most a few hundred bytes.
    if (body.revocations.length * 60 < WORTH_GZIP || !/\bgzip\b/.test(headers['accept-encoding'] ?? '')) return body;
    const bytes = await zip(JSON.stringify(body));
    this.adapterHost.httpAdapter.setHeader(response, 'Content-Encoding', 'gzip');
    return new StreamableFile(bytes, { type: 'application/json; charset=utf-8', length: bytes.length });
  }
}
