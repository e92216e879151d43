interface Fault {
  readonly message?: unknown;
  readonly errors?: readonly Fault[];
}

/** What an error says. A connection that was refused on every address has no message of its own: the first refusal's counts. */
export function messageOf(error: unknown): string {
  const fault = error as Fault | null | undefined;
  return String(fault?.errors?.[0]?.message ?? fault?.message ?? error);
}
