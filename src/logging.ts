import { AsyncLocalStorage } from 'node:async_hooks';
import type { LoggerService } from '@nestjs/common';
import { pino, type DestinationStream, type Level, type Logger } from 'pino';

/** The request that a log line belongs to. */
export interface LoggedRequest {
  readonly id: string;
  /** What its own line says beside the request; null once that line is written. */
  event: object | null;
}

export const loggedRequests = new AsyncLocalStorage<LoggedRequest>();

const SECRET_NAMES = [
  'authorization',
  'cookie',
  'set-cookie',
  'idempotency-key',
  'retryKey',
  'password',
  'currentPassword',
  'newPassword',
  'passwordHash',
  'refreshToken',
  'accessToken',
];
const STRING = '"(?:[^"\\\\]|\\\\.)*"';
/** A value under such a name, at any depth; header values may be lists. */
const NAMED_SECRET = new RegExp(`"(${SECRET_NAMES.join('|')})":(?:${STRING}|\\[(?:${STRING},?)*\\]|[\\d.]+)`, 'gi');
const TOKEN = /rt1_[\w-]{20,}|eyJ[\w-]+\.[\w-]+\.[\w-]*/g;

/*
 * On the finished line and not by pino's `redact`: with wildcards, which it needs to find a name at any depth, that
 * costs 24 microseconds a line, ten times the line itself (this one costs 0.1), and it does not look into texts.
 */
const redact = (line: string): string => line.replace(NAMED_SECRET, '"$1":"[redacted]"').replace(TOKEN, '[redacted]');

/** JSON lines on standard output, or on `destination`, with the id of their request and without secrets. */
export const createLogger = (level: Level | 'silent', destination?: DestinationStream): Logger =>
  pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin: () => {
        const request = loggedRequests.getStore();
        return request === undefined ? {} : { requestId: request.id };
      },
      serializers: { err: describe },
      hooks: { streamWrite: redact },
    },
    destination ?? pino.destination({ sync: true }),
  );

/** An error without its other fields: those of a failed query hold its parameters. */
function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack, cause } = error;
  const { code } = error as { code?: unknown };
  return { name, message, code, stack, ...(cause === undefined ? {} : { cause: describe(cause) }) };
}

/** Contexts of Nest's own start-up log, one line a route, and of start-up errors, which main reports in one line. */
const BOOT_REPORT = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestApplication',
  'ExceptionHandler',
]);

/** Nest's logger over pino. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  readonly log = this.at('info');
  readonly error = this.at('error');
  readonly warn = this.at('warn');
  readonly debug = this.at('debug');
  readonly verbose = this.at('trace');
  readonly fatal = this.at('fatal');

  private at(level: Level) {
    // Nest calls with the message, for errors perhaps a stack, and last the context.
    return (message: string | object, ...rest: unknown[]): void => {
      const context = typeof rest.at(-1) === 'string' ? rest.pop() : undefined;
      const actual = BOOT_REPORT.has(context as string) ? 'debug' : level;
      if (message instanceof Error) this.logger[actual]({ context, err: message }, message.message);
      else if (typeof message === 'object') this.logger[actual]({ context, ...message });
      else this.logger[actual]({ context, ...(rest[0] === undefined ? {} : { stack: rest[0] }) }, message);
    };
  }
}
