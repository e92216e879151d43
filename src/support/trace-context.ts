const TRACE_ID = /^(?!0{32})[\da-f]{32}$/;
/** A version above 00 may have more fields; 00 has these four, and ff is none. */
const TRACEPARENT = /^(?!ff)[\da-f]{2}-([\da-f]{32})-(?!0{16})[\da-f]{16}-[\da-f]{2}(-.*)?$/;

/** The text if it is a trace id of W3C Trace Context (section 3.2.2.3): 32 lower-case hexadecimal digits, not all zero. */
export const traceIdOf = (text: string | undefined): string | undefined =>
  text !== undefined && TRACE_ID.test(text) ? text : undefined;

/**
 * The trace id of the header `traceparent` (W3C Trace Context, section 3.2). Undefined if the header is missing, malformed or
 * repeated: the request then starts a trace of its own.
 */
export function traceIdOfRequest(headers: Readonly<Record<string, string | string[] | undefined>>): string | undefined {
  const { traceparent } = headers;
  if (typeof traceparent !== 'string') return undefined;
  const [, traceId, further] = TRACEPARENT.exec(traceparent) ?? [];
  return further !== undefined && traceparent.startsWith('00') ? undefined : traceIdOf(traceId);
}
