import { QueryFailedError } from 'typeorm';

/** Whether `error` is that of a query which PostgreSQL ended with one of these SQLSTATEs. */
export const failedWith = (error: unknown, ...states: readonly string[]): boolean =>
  error instanceof QueryFailedError && states.includes((error.driverError as { code?: string }).code ?? '');
