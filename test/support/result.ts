import type { Result } from '../../src';

/** The value of a result that must be granted. */
export function granted<T>(result: Result<T, unknown>): T {
  if (!result.ok) throw new Error(`Refused: ${JSON.stringify(result.reason)}`);
  return result.value;
}

/** The reason of a result that must be refused. */
export function refusedFor<R>(result: Result<unknown, R>): R {
  if (result.ok) throw new Error(`Granted: ${JSON.stringify(result.value)}`);
  return result.reason;
}
