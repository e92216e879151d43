import type { HttpRequest } from '../../../guard/nest/http-request';
import type { Principal } from '../../../guard/principal';
import type { Actor } from '../../application/actor';
import type { Client } from '../../domain/session';

/** Who sent the request, and from which device according to its body. The ip is the proxy's word only where that is trusted. */
export const clientOf = (
  request: HttpRequest,
  { deviceId, deviceName }: Pick<Client, 'deviceId' | 'deviceName'> = {},
): Client => ({
  ip: request.ip,
  userAgent: request.headers['user-agent'],
  deviceId,
  deviceName,
});

/** The administrator of a request, and its client. */
export const actorOf = (principal: Principal, request: HttpRequest): Actor => ({
  userId: principal.userId,
  client: clientOf(request),
});
