import type { HttpRequest } from '../../../guard/nest/http-request';
import { invalidRequest, ProblemException } from '../../../guard/nest/problem.exception';

/** Bytes. Tokens and forms are far smaller; what is larger is not read to its end. */
export const BODY_LIMIT = 16 * 1024;

/** Levels of objects and arrays. No route asks for more than two. */
const MAX_DEPTH = 32;

/** With `charset=utf8`, as some clients spell it, and with parameters that are left empty. */
const JSON_TYPE = /^application\/json[ \t]*(?:;[ \t]*(?:charset=(?:utf-?8|"utf-?8")[ \t]*)?)*$/i;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The bodies that {@link parseJsonBody} has let pass, so that {@link demandJson} does not look through them again. */
const parsed = new WeakSet<object>();

/**
 * The JSON object in a body, or undefined if there is none. One parser serves both adapters: theirs differ in what they
 * accept as JSON, and one of them lets `__proto__` pass.
 * @throws ProblemException 415 for another media type, charset or content encoding, 400 for anything but a JSON object
 */
export function parseJsonBody(headers: Headers, bytes: Buffer): object | undefined {
  if (bytes.length === 0) return undefined;
  if (!isJson(headers)) throw new ProblemException(415);
  let body: unknown;
  try {
    body = JSON.parse(utf8.decode(bytes));
  } catch {
    // Not the parser's own words: they quote the body, and bodies hold passwords and tokens.
    throw invalidRequest({ path: 'body', message: 'body must be valid JSON in UTF-8' });
  }
  refuseInherited(body);
  const object = objectOnly(body);
  parsed.add(object);
  return object;
}

/**
 * The body of a request that a host's own parser may have read: then it is held to the same rules, as far as they still
 * can be.
 * @throws ProblemException 415, 413 and 400 like {@link parseJsonBody}
 */
export function demandJson({ headers, body }: HttpRequest & { readonly body?: unknown }): object | undefined {
  if (typeof body === 'object' && body !== null && parsed.has(body)) return body;
  const length = Number(headers['content-length'] ?? 0);
  if (length > BODY_LIMIT) throw new ProblemException(413);
  if (length === 0 && headers['transfer-encoding'] === undefined) return undefined;
  if (!isJson(headers)) throw new ProblemException(415);
  // For an empty chunked body Express has no value.
  if (body === undefined) return undefined;
  refuseInherited(body);
  return objectOnly(body);
}

const isJson = ({ 'content-type': type, 'content-encoding': encoding = 'identity' }: Headers): boolean =>
  typeof type === 'string' && JSON_TYPE.test(type) && encoding === 'identity';

type Headers = Readonly<Record<string, unknown>>;

function objectOnly(body: unknown): object {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body;
  throw invalidRequest({ path: 'body', message: 'body must be a JSON object' });
}

/**
 * Names that every object inherits switch validation off (`__proto__`, CVE-2019-18413), or pass for known fields in
 * class-validator's look-up tables (`constructor`, `hasOwnProperty`); Nest's pipe drops `prototype` without a word.
 */
function refuseInherited(value: unknown, depth = 0): void {
  if (typeof value !== 'object' || value === null) return;
  // Validators call themselves for each level, and a stack has an end.
  if (depth === MAX_DEPTH)
    throw invalidRequest({ path: 'body', message: `body must not nest deeper than ${MAX_DEPTH} levels` });
  for (const [key, inner] of Object.entries(value)) {
    if (key in Object.prototype || key === 'prototype') {
      throw invalidRequest({ path: key, message: `property ${key} should not exist` });
    }
    refuseInherited(inner, depth + 1);
  }
}
