import { QueryFailedError } from 'typeorm';

/** The isolation of its transaction, or another transaction, ended a statement that may well succeed in a new one. */
export const PASSING = ['40001', '40P01'] as const;

/** The connection, the server's end, and SQLSTATE 40003 itself say nothing about what became of the statement. */
const UNKNOWN_OUTCOME = /^(08|57P|40003)/;

/** Whether PostgreSQL has refused a statement, so that it is certain to have changed nothing. */
export function wasRefused(error: unknown): boolean {
  const code = sqlStateOf(error);
  return code !== null && !UNKNOWN_OUTCOME.test(code);
}

/** Whether `error` is that of a query, through TypeORM or past it, which PostgreSQL ended with one of these SQLSTATEs. */
export function failedWith(error: unknown, ...states: readonly string[]): boolean {
  const code = sqlStateOf(error);
  return code !== null && states.includes(code);
}

/** By its shape, since a host may have its own copy of pg. Errors of Node have a code, too (`EPIPE`), and no severity. */
function sqlStateOf(error: unknown): string | null {
  const cause: unknown = error instanceof QueryFailedError ? error.driverError : error;
  return cause instanceof Error && 'severity' in cause && 'code' in cause ? String(cause.code) : null;
}
