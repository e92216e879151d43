/** The result of a use case: a value, or the reason of an expected refusal. Faults are thrown. */
export type Result<T, R> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: R };

/** The granted half of a {@link Result}. */
export function ok(): Result<void, never>;
export function ok<T>(value: T): Result<T, never>;
export function ok(value?: unknown): Result<unknown, never> {
  return { ok: true, value };
}

/** The refused half of a {@link Result}. */
export const refusal = <R>(reason: R): Result<never, R> => ({ ok: false, reason });
