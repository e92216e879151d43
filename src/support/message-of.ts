interface Fault {
  readonly message?: unknown;
  readonly errors?: readonly Fault[];
}

/** The parameters with which the application connects, beside those that PgBouncer knows. */
const STARTUP_PARAMETERS = 'statement_timeout,idle_in_transaction_session_timeout,options';

/**
 * What an error says. A connection that was refused on every address has no message of its own: the first refusal's counts.
 * PgBouncer's refusal names one parameter, and not where to set it.
 */
export function messageOf(error: unknown): string {
  const fault = error as Fault | null | undefined;
  const message = String(fault?.errors?.[0]?.message ?? fault?.message ?? error);
  return message.startsWith('unsupported startup parameter')
    ? `${message}: set ignore_startup_parameters = ${STARTUP_PARAMETERS} in PgBouncer`
    : message;
}
