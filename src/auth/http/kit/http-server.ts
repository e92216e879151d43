import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { INestApplication } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { HttpRequest } from '../../../guard/nest/http-request';
import { ProblemDetailsFilter } from '../../../guard/nest/problem-details.filter';
import { ProblemException } from '../../../guard/nest/problem.exception';
import { BODY_LIMIT, parseJsonBody } from './json-body';
import { takesForm } from './oauth-routes';
import { validationPipe } from './validation.pipe';

/** What `fastifyOptions()` and `configureHttp()` set on the server. */
export interface HttpOptions {
  /** Addresses or CIDR blocks of the proxies whose `X-Forwarded-For` is trusted; never "all". */
  readonly trustProxy: readonly string[];
  /** Origins whose pages may read the answers; none: no CORS at all. */
  readonly corsOrigins: readonly string[];
}

/** Milliseconds in which a request must have arrived completely. */
const REQUEST_TIMEOUT_MS = 10_000;
/** How often Node looks for requests that have taken longer. */
const LOOK_MS = 1000;

interface FastifyReply {
  code(status: number): this;
  headers(values: Record<string, string>): this;
  send(body: never): unknown;
}

/** A user's id of 128 characters, each of three bytes, each of them written as `%XX`. Fastify's own limit is 100. */
const LONGEST_PARAMETER = 128 * 3 * 3;

/** The options with which to create Fastify: `new FastifyAdapter(fastifyOptions(options))`. Express requires none. */
export const fastifyOptions = ({ trustProxy }: HttpOptions) => ({
  trustProxy: trustProxy.length > 0 && [...trustProxy],
  // `/auth/login/` is `/auth/login`, as on Express.
  routerOptions: { ignoreTrailingSlash: true, maxParamLength: LONGEST_PARAMETER },
  /** Answers a URL that the router cannot read: it never reaches Nest's filters. */
  frameworkErrors: ({ statusCode = 400 }: { statusCode?: number }, _request: unknown, reply: FastifyReply) => {
    const problem = new ProblemException(statusCode);
    reply
      .code(statusCode)
      .headers(problem.headers())
      .send(problem.getResponse() as never);
  },
  /** Answers what Node cannot read as a request. */
  clientErrorHandler: answerUnreadable,
});

/** By Node's codes; all others are 400. */
const UNREADABLE: Readonly<Record<string, number>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  HPE_HEADER_OVERFLOW: 431,
};

/** Answers input that Node could not read as a request, and that no filter has seen, and closes the connection. */
function answerUnreadable({ code = '' }: NodeJS.ErrnoException, connection: Duplex): void {
  if (code === 'ECONNRESET' || !connection.writable) {
    connection.destroy();
    return;
  }
  const problem = new ProblemException(UNREADABLE[code] ?? 400);
  const body = JSON.stringify(problem.getResponse());
  const headers = { ...problem.headers(), 'Content-Length': body.length, Connection: 'close' };
  const head = [
    `HTTP/1.1 ${problem.getStatus()} ${STATUS_CODES[problem.getStatus()]}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  connection.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => connection.destroy());
}

/**
 * Configures an application to keep the contract of auth's routes, on Fastify and on Express: JSON bodies only (forms for the
 * routes of OAuth), validated, at most 16 KiB; problem details for every error; every request, uploads of yours included, must arrive within 10 seconds.
 * Call it before `init()`, on an application created with `bodyParser: false`.
 */
export function configureHttp(app: INestApplication, options: HttpOptions): void {
  app.useGlobalPipes(validationPipe());
  app.useGlobalFilters(new ProblemDetailsFilter(app.get(HttpAdapterHost)));
  if (options.corsOrigins.length > 0) {
    app.enableCors({
      origin: [...options.corsOrigins],
      credentials: true, // for the refresh cookie
      methods: ['GET', 'POST', 'PATCH', 'DELETE'],
      allowedHeaders: [
        ...(['Authorization', 'Content-Type', 'Idempotency-Key', 'DPoP'] as const),
        ...(['X-Request-Id', 'traceparent', 'tracestate'] as const),
      ],
      exposedHeaders: ['Retry-After', 'WWW-Authenticate', 'DPoP-Nonce', 'X-Request-Id'],
      maxAge: 600,
    });
  }
  limitTimeOf(app.getHttpServer() as Server & { connectionsCheckingInterval: number });
  if (app.getHttpAdapter().getType() === 'fastify') configureFastify(app as NestFastifyApplication);
  else configureExpress(app as NestExpressApplication, options);
}

/**
 * Set after a server's creation, `requestTimeout` alone leaves a body that never comes to `headersTimeout`, and both to a
 * look every 30 seconds. The server begins to look when it listens.
 */
function limitTimeOf(server: Server & { connectionsCheckingInterval: number }): void {
  server.requestTimeout = server.headersTimeout = REQUEST_TIMEOUT_MS;
  server.connectionsCheckingInterval = LOOK_MS;
}

function configureFastify(app: NestFastifyApplication): void {
  const fastify = app.getHttpAdapter().getInstance();
  fastify.removeAllContentTypeParsers();
  // One parser for every media type: which of them counts as JSON is decided in one place, not by Fastify's look-up.
  fastify.addContentTypeParser(
    '*',
    { parseAs: 'buffer', bodyLimit: BODY_LIMIT },
    async ({ headers, routeOptions }: HttpRequest, body: Buffer) => bodyFor(routeOptions?.url ?? '', headers, body),
  );
}

/** The JSON object; for a route that takes a form the bytes, so that its errors are the route's own. */
const bodyFor = (path: string, headers: HttpRequest['headers'], bytes: Buffer): object | undefined =>
  takesForm(path) ? bytes : parseJsonBody(headers, bytes);

function configureExpress(app: NestExpressApplication, { trustProxy }: HttpOptions): void {
  if (trustProxy.length > 0) app.set('trust proxy', trustProxy);
  app.disable('x-powered-by');
  app.disable('etag'); // nothing here is to be cached, and Fastify sends none
  app.getHttpServer().on('clientError', answerUnreadable);
  // Fastify reads no body of these methods.
  const type = ({ method }: IncomingMessage) => method !== 'GET' && method !== 'HEAD';
  app.useBodyParser('raw', { type, limit: BODY_LIMIT, inflate: false });
  app.use((request: HttpRequest & { body: unknown; path: string }, _response: unknown, next: () => void) => {
    const { body, path, headers } = request;
    request.body = Buffer.isBuffer(body) ? bodyFor(path, headers, body) : undefined;
    next();
  });
}
