/** What another server answered with its status, or that it did not answer. */
export class NotFetched extends Error {
  constructor(
    what: string,
    /** Null: there was no answer, or it broke off. */
    readonly status: number | null,
    options?: ErrorOptions,
  ) {
    super(what, options);
  }
}

export interface Fetched {
  readonly body: unknown;
  /** When the answer began to arrive, on the monotonic clock. */
  readonly arrivedAt: number;
}

export interface FetchLimits {
  readonly timeoutMs: number;
  /** After decompression. */
  readonly maxBytes: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Ends it early. */
  readonly controller?: AbortController;
}

/**
 * The JSON at a URL, whatever its server does: within the time, up to the size, from no other address.
 * @throws NotFetched
 */
export async function getJson(url: URL, limits: FetchLimits): Promise<Fetched> {
  const { timeoutMs, maxBytes, headers = {}, controller = new AbortController() } = limits;
  const timer = setTimeout(() => controller.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  const aborted = () => (controller.signal.aborted ? (controller.signal.reason as Error) : undefined);
  try {
    // A redirect could lead to plain http.
    const response = await fetch(url, {
      headers: { Accept: 'application/json', ...headers },
      redirect: 'error',
      signal: controller.signal,
    });
    const arrivedAt = performance.now();
    const { status } = response;
    if (status !== 200) throw new NotFetched(`answered ${status}`, status);
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of response.body ?? []) {
      length += (chunk as Uint8Array).length;
      if (length > maxBytes) throw new NotFetched(`answered more than ${maxBytes} bytes`, status);
      chunks.push(chunk as Uint8Array);
    }
    return { body: parsed(Buffer.concat(chunks).toString(), status), arrivedAt };
  } catch (error) {
    if (error instanceof NotFetched) throw error;
    const cause = aborted() ?? ((error as Error).cause as Error | undefined) ?? (error as Error);
    throw new NotFetched(cause.message === '' ? String(cause) : cause.message, null, { cause });
  } finally {
    clearTimeout(timer);
    // What has not been read is not wanted.
    controller.abort();
  }
}

function parsed(text: string, status: number): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new NotFetched('answered no JSON', status);
  }
}
