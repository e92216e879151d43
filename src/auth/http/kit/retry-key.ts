import type { HttpRequest } from '../../../guard/nest/http-request';
import { demand, retryKeyProblem } from '../../domain/input-rules';
import { RETRY_KEY_PATTERN } from '../../domain/refresh-token';
import { ApiHeader } from './openapi';

/** Documents the header of a route that refreshes. */
export const ApiRetryKey = (): MethodDecorator =>
  ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description:
      'Use a fresh random key for each refresh and the same key for its retries; keep it until the answer is stored',
    schema: { type: 'string', pattern: RETRY_KEY_PATTERN.source },
  });

/**
 * The `Idempotency-Key` of a request; undefined without one.
 * @throws InvalidInput for one that breaks the rule
 */
export function retryKeyOf({ headers }: HttpRequest): string | undefined {
  const key = headers['idempotency-key'];
  if (key === undefined) return undefined;
  demand({ 'Idempotency-Key': retryKeyProblem(key) });
  return key as string;
}
