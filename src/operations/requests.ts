import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { INestApplication } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger } from 'pino';
import { Histogram, Registry } from 'prom-client';
import { type LoggedRequest, loggedRequests } from '../logging';
import { traceIdOfRequest } from '../support/trace-context';

const SANE_ID = /^[\w.-]{8,64}$/;

/** Node accepts some thirty methods, and any client could create a series for each. */
const COUNTED_METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/**
 * Gives every request its id, one log line at `info`, which for a refresh also has its ending, and one observation of
 * `ratchet_http_request_duration_seconds`; both have the route's pattern and not the path, so that no id, token or query
 * string gets there. Call it before anything else is installed: what a guard, a parser or a limit refuses is counted as well,
 * which no interceptor would see.
 *
 * Above `info` only answers of 5xx have their line, and the lines before it do not name the request: before Node 24 an
 * AsyncLocalStorage in use makes every promise of the process call JavaScript, which doubles what a refresh costs.
 *
 * The id is the trace id of `traceparent` (W3C Trace Context), else the caller's `x-request-id` if that is a plain one, else
 * a random UUID. An id that came with the request is returned as `X-Request-Id`. A random one is in the log alone: refusals
 * are identical to the byte.
 */
export function watchRequests(app: INestApplication, logger: Logger): void {
  const log = logger.child({ context: 'http' });
  const isLogged = log.isLevelEnabled('info');
  const durations = new Histogram({
    name: 'ratchet_http_request_duration_seconds',
    help: "Requests by the route's pattern, method and status; unmatched: no route; aborted: the client left before the answer",
    labelNames: ['route', 'method', 'status'],
    buckets: [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers: [app.get(Registry)],
  });

  const watch: Watch = (request, response, routeOf) => {
    const startedAt = performance.now();
    const given = givenId(request);
    if (given !== undefined) response.setHeader('X-Request-Id', given);
    const logged: LoggedRequest = { id: given ?? randomUUID(), event: {} };
    response.once('close', () => {
      const durationMs = performance.now() - startedAt;
      const { method = '' } = request;
      const { statusCode, writableFinished } = response;
      const route = routeOf();
      durations.observe(
        {
          route: route ?? 'unmatched',
          method: COUNTED_METHODS.has(method) ? method : 'other',
          status: writableFinished ? String(statusCode) : 'aborted',
        },
        durationMs / 1000,
      );
      if (isLogged || statusCode >= 500)
        log[isLogged ? 'info' : 'warn'](
          {
            requestId: logged.id,
            method,
            route: route ?? null,
            status: statusCode,
            durationMs: Math.round(durationMs * 10) / 10,
            ...(writableFinished ? {} : { aborted: true }),
            ...logged.event,
          },
          'request',
        );
      logged.event = null;
    });
    return logged;
  };

  if (app.getHttpAdapter() instanceof FastifyAdapter) watchFastify(app as NestFastifyApplication, watch, isLogged);
  else watchExpress(app as NestExpressApplication, watch, isLogged);
}

/** The id that the request came with, if it is usable. */
function givenId({ headers }: IncomingMessage): string | undefined {
  const { 'x-request-id': id } = headers;
  return traceIdOfRequest(headers) ?? (typeof id === 'string' && SANE_ID.test(id) ? id : undefined);
}

type Watch = (request: IncomingMessage, response: ServerResponse, routeOf: () => string | undefined) => LoggedRequest;

function watchFastify(app: NestFastifyApplication, watch: Watch, names: boolean): void {
  const fastify = app.getHttpAdapter().getInstance();
  const requests = new WeakMap<object, LoggedRequest>();
  fastify.addHook('onRequest', (request, reply, done) => {
    const logged = watch(request.raw, reply.raw, () => request.routeOptions.url);
    request.id = logged.id;
    if (names) requests.set(request, logged);
    done();
  });
  if (!names) return;
  // Only here: a body is read in the context of its connection, and what follows it would have lost the request.
  fastify.addHook('preValidation', (request, _reply, done) => {
    const logged = requests.get(request);
    if (logged === undefined) done();
    else loggedRequests.run(logged, done);
  });
}

function watchExpress(app: NestExpressApplication, watch: Watch, names: boolean): void {
  app.use((request: IncomingMessage & { route?: { path: string } }, response: ServerResponse, next: () => void) => {
    const logged = watch(request, response, () => request.route?.path);
    if (names) loggedRequests.run(logged, next);
    else next();
  });
}
