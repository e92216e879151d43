import { Catch, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { type Observable, throwError } from 'rxjs';
import { Overloaded } from '../../support/overloaded';
import { challengeFor } from './http-request';
import { expectedProblem, type ProblemException, unavailable } from './problem.exception';

/**
 * Answers every error as `application/problem+json` (RFC 9457): refusals and framework errors by their status, and
 * unexpected errors as 503.
 */
@Catch()
export class ProblemDetailsFilter implements ExceptionFilter {
  protected readonly mediaType: string = 'application/problem+json';
  private readonly logger = new Logger(ProblemDetailsFilter.name);

  constructor(private readonly adapterHost: HttpAdapterHost) {}

  catch(exception: unknown, host: ArgumentsHost): Observable<never> | undefined {
    if (host.getType() !== 'http') {
      const problem = expectedProblem(exception) ?? exception;
      // Nest answers a message with what the filter returns. GraphQL and sockets have their own error handling.
      if (host.getType() !== 'rpc' || !(problem instanceof Error)) throw problem;
      return throwError(() => ({ status: 'error', message: problem.message }));
    }
    const adapter = this.adapterHost.httpAdapter;
    const response: unknown = host.switchToHttp().getResponse();
    const problem = this.problemOf(exception);
    if (adapter.isHeadersSent(response)) {
      adapter.end(response);
      return undefined;
    }
    if (problem.getStatus() === 401) {
      adapter.setHeader(response, 'WWW-Authenticate', challengeFor(host.switchToHttp().getRequest()));
    }
    const headers = { ...problem.headers(), 'Content-Type': this.mediaType };
    for (const [name, value] of Object.entries(headers)) adapter.setHeader(response, name, value);
    // As a text: Nest 11 on Express calls an object of this content type a mistake, and sends it as application/json.
    adapter.reply(response, JSON.stringify(this.bodyOf(problem)), problem.getStatus());
    return undefined;
  }

  /** Overridden, with the media type, where a protocol has errors of its own. */
  protected bodyOf(problem: ProblemException): object {
    return problem.getResponse() as object;
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
