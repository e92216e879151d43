import type { HttpRequest } from '../../../guard/nest/http-request';
import { traceIdOfRequest } from '../../../support/trace-context';
import type { Principal } from '../../../guard/principal';
import type { Actor } from '../../application/actor';
import type { Client } from '../../domain/session';

/** The client of a request, and its device according to the body. The ip is from a proxy's header only if the proxy is trusted. */
export const clientOf = (
  request: HttpRequest,
  { deviceId, deviceName }: Pick<Client, 'deviceId' | 'deviceName'> = {},
): Client => ({
  ip: request.ip,
  userAgent: request.headers['user-agent'],
  traceId: traceIdOfRequest(request.headers),
  deviceId,
  deviceName,
});

/** The administrator of a request, and its client; of somebody who acts for a user, the one who acts. */
export const actorOf = (principal: Principal, request: HttpRequest): Actor => ({
  userId: principal.actor?.userId ?? principal.userId,
  client: clientOf(request),
});
