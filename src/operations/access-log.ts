import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { INestApplication } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger } from 'pino';
import { requestIds } from '../logging';

const SANE_ID = /^[\w.-]{8,64}$/;

/**
 * One log line a request, with the route's pattern and not the path: no id, token or query string gets there. Call it
 * before anything else is installed. Costs nothing at a level that would not show the line.
 *
 * The request's id, the caller's `x-request-id` if that is a plain one, is never sent back: refusals are identical to
 * the byte.
 */
export function logRequests(app: INestApplication, logger: Logger): void {
  const log = logger.child({ context: 'http' });
  if (!log.isLevelEnabled('info')) return;

  const watch = (request: IncomingMessage, response: ServerResponse, routeOf: () => string | undefined): string => {
    const startedAt = performance.now();
    const given = request.headers['x-request-id'];
    const requestId = typeof given === 'string' && SANE_ID.test(given) ? given : randomUUID();
    response.once('close', () => {
      log.info(
        {
          requestId,
          method: request.method,
          route: routeOf() ?? null,
          status: response.statusCode,
          durationMs: Math.round((performance.now() - startedAt) * 10) / 10,
          ...(response.writableFinished ? {} : { aborted: true }),
        },
        'request',
      );
    });
    return requestId;
  };

  if (app.getHttpAdapter() instanceof FastifyAdapter) {
    const fastify = (app as NestFastifyApplication).getHttpAdapter().getInstance();
    fastify.addHook('onRequest', (request, reply, done) => {
      request.id = watch(request.raw, reply.raw, () => request.routeOptions.url);
      done();
    });
    // Only here: a body is read in the context of its connection, and what follows it would have lost the id.
    fastify.addHook('preValidation', (request, _reply, done) => requestIds.run(request.id, done));
    return;
  }
  (app as NestExpressApplication).use(
    (request: IncomingMessage & { route?: { path: string } }, response: ServerResponse, next: () => void) =>
      requestIds.run(
        watch(request, response, () => request.route?.path),
        next,
      ),
  );
}
