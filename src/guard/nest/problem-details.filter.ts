import { Catch, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { Overloaded } from '../../support/overloaded';
import { challengeFor } from './http-request';
import { expectedProblem, type ProblemException, unavailable } from './problem.exception';

/**
 * Answers every error as `application/problem+json` (RFC 9457): refusals and framework errors by their status, and
 * unexpected errors as 503.
 */
@Catch()
export class ProblemDetailsFilter implements ExceptionFilter {
  private readonly logger = new Logger(ProblemDetailsFilter.name);

  constructor(private readonly adapterHost: HttpAdapterHost) {}

  catch(exception: unknown, host: ArgumentsHost): void {
    // GraphQL and sockets have no answer to write to: their own error handling continues with it.
    if (host.getType() !== 'http') throw exception;
    const adapter = this.adapterHost.httpAdapter;
    const response: unknown = host.switchToHttp().getResponse();
    const problem = this.problemOf(exception);
    if (adapter.isHeadersSent(response)) {
      adapter.end(response);
      return;
    }
    if (problem.getStatus() === 401) {
      adapter.setHeader(response, 'WWW-Authenticate', challengeFor(host.switchToHttp().getRequest()));
    }
    for (const [name, value] of Object.entries(problem.headers())) adapter.setHeader(response, name, value);
    // As a text: Nest 11 on Express calls an object of this content type a mistake, and sends it as application/json.
    adapter.reply(response, JSON.stringify(problem.getResponse()), problem.getStatus());
  }

  private problemOf(exception: unknown): ProblemException {
    const expected = expectedProblem(exception);
    if (expected === null || exception instanceof Overloaded)
      this.logger.error('A request could not be answered', stackOf(exception));
    return expected ?? unavailable(1);
  }
}

/** Stacks only: an inspected database error would show the parameters of its query. */
function stackOf(exception: unknown): string {
  if (!(exception instanceof Error)) return `Thrown: ${typeof exception}`;
  const stack = exception.stack ?? exception.message;
  return exception.cause === undefined ? stack : `${stack}\nCaused by: ${stackOf(exception.cause)}`;
}
