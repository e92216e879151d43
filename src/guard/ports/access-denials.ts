import type { Principal } from '../principal';

/** A call with a valid access token whose user has none of the roles that the route requires, or is not there in person. */
export interface AccessDenial {
  readonly principal: Principal;
  /** One of them would have been enough; empty if the route only requires the user in person. */
  readonly requiredRoles: readonly string[];
  /** The route as it is declared, without any value, such as `GET /admin/users/:id`; outside of HTTP its class and method. */
  readonly route: string;
  readonly ip: string | undefined;
  readonly userAgent: string | undefined;
  /** The trace id of the request (W3C Trace Context). */
  readonly traceId: string | undefined;
}

/** Records denied calls. Without this port, as on a resource server, they leave no record. */
export abstract class AccessDenials {
  /**
   * Resolves when the record is durable; the guard answers after that.
   * @throws Overloaded when it cannot be stored
   */
  abstract record(denial: AccessDenial): Promise<void>;
}
