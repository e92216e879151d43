import { type HttpRequest, pathOf } from '../../../guard/nest/http-request';
import type { DpopProof } from '../../domain/binding';
import { ApiHeader } from './openapi';

/** Documents the header of a route that opens or refreshes a session. */
export const ApiDpop = (): MethodDecorator =>
  ApiHeader({
    name: 'DPoP',
    required: false,
    description: 'A proof signed by the key of the device (RFC 9449), with the nonce of the last `DPoP-Nonce`',
    schema: { type: 'string' },
  });

/** The `DPoP` header of a request, for a command that opens or refreshes a session; undefined without one. */
export function dpopProofOf(request: HttpRequest): DpopProof | undefined {
  const { headers, method = '' } = request;
  const { dpop } = headers;
  if (dpop === undefined) return undefined;
  // Node joins two headers of the name by a comma, which no proof contains.
  return { kind: 'dpop', jwt: String(dpop), method, path: pathOf(request) };
}
