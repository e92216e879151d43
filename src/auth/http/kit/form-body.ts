import type { HttpRequest } from '../../../guard/nest/http-request';
import { invalidRequest, ProblemException } from '../../../guard/nest/problem.exception';
import { BODY_LIMIT } from './json-body';

/** The parameters of a form by name, without the empty ones, which count as omitted (RFC 6749 section 3.1). */
export type Form = ReadonlyMap<string, string>;

const FORM_TYPE = /^application\/x-www-form-urlencoded[ \t]*(?:;[ \t]*(?:charset=(?:utf-?8|"utf-?8")[ \t]*)?)*$/i;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * The form in a body: in bytes, or as the parser of a host has read it.
 * @throws ProblemException 413 beyond the limit; 400 for another media type or a repeated parameter
 */
export function demandForm({ headers, body }: HttpRequest & { readonly body?: unknown }): Form {
  if (Number(headers['content-length'] ?? 0) > BODY_LIMIT) throw new ProblemException(413);
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = headers;
  if (!FORM_TYPE.test(type) || encoding !== 'identity')
    throw invalidRequest({ path: 'body', message: 'body must be application/x-www-form-urlencoded in UTF-8' });
  const form = new Map<string, string>();
  for (const [name, value] of parametersOf(body)) {
    // A host's parser may read a name with brackets as an object: a parameter that no route asks for.
    if (value === '' || (typeof value === 'object' && !Array.isArray(value))) continue;
    // It reads a repeated parameter as a list.
    if (typeof value !== 'string' || form.has(name))
      throw invalidRequest({ path: 'body', message: 'each parameter must be given once' });
    form.set(name, value);
  }
  return form;
}

function parametersOf(body: unknown): Iterable<readonly [name: string, value: unknown]> {
  if (!Buffer.isBuffer(body)) return typeof body === 'object' && body !== null ? Object.entries(body) : [];
  try {
    return new URLSearchParams(utf8.decode(body));
  } catch {
    throw invalidRequest({ path: 'body', message: 'body must be application/x-www-form-urlencoded in UTF-8' });
  }
}
