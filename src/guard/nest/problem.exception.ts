import { STATUS_CODES } from 'node:http';
import { HttpException } from '@nestjs/common';
import { InvalidInput } from '../../support/invalid-input';
import { Overloaded } from '../../support/overloaded';
import { ProofProblem } from '../../support/proof-problem';
import { Throttled } from '../../support/throttled';

/**
 * What the client should do next: sign in again (401), prove who they are once more (401), send the same request again (503, 429;
 * 401 `use_dpop_nonce`, with a new proof), or slow down (429).
 */
export type ProblemRecovery = 'reauthenticate' | 'step_up' | 'retry' | 'wait';

/** One broken rule: the field (or header) it is about, and the rule in words. */
export interface FieldError {
  readonly path: string;
  readonly message: string;
}

/** What a {@link ProblemException} adds to the status, as problem details (RFC 9457) and headers. */
export interface Problem {
  /** What a program branches on; by default the status in words, such as `not_found`. */
  readonly code?: string;
  /** By default what the status asks for: 401 `reauthenticate`, 429 `wait`, 503 `retry`; no other status has one. */
  readonly recovery?: ProblemRecovery;
  /** Whole seconds; by default 1 with 429 and 503. */
  readonly retryAfterSeconds?: number;
  readonly errors?: readonly FieldError[];
  /** `WWW-Authenticate`; a 401 without one gets the bearer challenge that fits the request. */
  readonly challenge?: string;
  /** `DPoP-Nonce` (RFC 9449 section 8). */
  readonly dpopNonce?: string;
}

const RECOVERIES: Readonly<Record<number, ProblemRecovery>> = { 401: 'reauthenticate', 429: 'wait', 503: 'retry' };

const DEFAULT_RETRY_AFTER: Readonly<Record<number, number>> = { 429: 1, 503: 1 };

/** The codes that Apollo's clients know, and names in their manner where they know none. */
const GRAPHQL_CODES: Readonly<Record<number, string>> = {
  400: 'BAD_USER_INPUT',
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  429: 'TOO_MANY_REQUESTS',
  503: 'SERVICE_UNAVAILABLE',
};

/** An error answer as `application/problem+json` (RFC 9457). The body names no request and no instance. */
export class ProblemException extends HttpException {
  /** For GraphQL, whose servers pass it on with the error. */
  readonly extensions: { readonly code: string };
  private readonly problem: Problem;

  constructor(status: number, problem: Problem = {}) {
    const title = STATUS_CODES[status] ?? 'Error';
    const { code = title.toLowerCase().replace(/[^a-z]+/g, '_'), recovery = RECOVERIES[status], errors } = problem;
    // An answer that is given on purpose is traced to nowhere, and a trace would be a tenth of what refusing junk costs.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(
      { type: 'about:blank', title, status, code, ...(recovery && { recovery }), ...(errors && { errors }) },
      status,
    );
    Error.stackTraceLimit = stackTraceLimit;
    this.message = title;
    this.problem = problem;
    this.extensions = { code: GRAPHQL_CODES[status] ?? 'INTERNAL_SERVER_ERROR' };
  }

  /** The headers that go with the body; a problem is never stored by a cache. */
  headers(): Record<string, string> {
    const { challenge, dpopNonce, retryAfterSeconds = DEFAULT_RETRY_AFTER[this.getStatus()] } = this.problem;
    return {
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
      Pragma: 'no-cache',
      ...(retryAfterSeconds !== undefined && { 'Retry-After': String(retryAfterSeconds) }),
      ...(challenge !== undefined && { 'WWW-Authenticate': challenge }),
      ...(dpopNonce !== undefined && { 'DPoP-Nonce': dpopNonce }),
    };
  }
}

/** 400 with the rules that the request breaks. */
export const invalidRequest = (...errors: readonly FieldError[]): ProblemException =>
  new ProblemException(400, { code: 'invalid_request', errors });

/** The answer to an error that auth or the framework throws on purpose; null for an unexpected error. */
export function expectedProblem(exception: unknown): ProblemException | null {
  if (exception instanceof ProblemException) return exception;
  if (exception instanceof Throttled) {
    return new ProblemException(429, { code: 'throttled', retryAfterSeconds: exception.retryAfterSeconds });
  }
  if (exception instanceof ProofProblem) return problemOfProof(exception);
  if (exception instanceof InvalidInput) return invalidRequest({ path: exception.path, message: exception.message });
  if (exception instanceof Overloaded) return unavailable(exception.retryAfterSeconds);
  const status = statusOf(exception);
  if (status < 500) return new ProblemException(status);
  // Nest's own 503, such as that of a health check, is thrown on purpose.
  return status === 503 ? unavailable(1) : null;
}

/** A nonce is asked for by 401 with "retry": the same request, with a new proof, is expected to succeed (RFC 9449 section 9). */
function problemOfProof({ nonce }: ProofProblem): ProblemException {
  if (nonce !== null)
    return new ProblemException(401, {
      code: 'use_dpop_nonce',
      recovery: 'retry',
      challenge: 'DPoP error="use_dpop_nonce"',
      dpopNonce: nonce,
    });
  const message = 'DPoP must be one valid proof of at most 4096 characters for this method and URL';
  return new ProblemException(400, { code: 'invalid_dpop_proof', errors: [{ path: 'DPoP', message }] });
}

/**
 * Of Nest's errors, and of those of body parsers, which Nest 11 passes on as they are: `http-errors` says with `expose`
 * that the status is the client's. The answer to a call of the host's own to somewhere else has a status, too.
 */
function statusOf(exception: unknown): number {
  if (exception instanceof HttpException) return exception.getStatus();
  if (!(exception instanceof Error)) return 500;
  const { status, expose } = exception as Error & { status?: unknown; expose?: unknown };
  return expose === true && typeof status === 'number' && status >= 400 ? status : 500;
}

/** 503: the client did nothing wrong, and the same request may work later. */
export const unavailable = (retryAfterSeconds: number): ProblemException =>
  new ProblemException(503, { code: 'unavailable', retryAfterSeconds });
