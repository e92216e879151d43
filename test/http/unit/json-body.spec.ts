import { demandJson, parseJsonBody } from '../../../src/auth/http/kit/json-body';

const BYTES = Buffer.from('{"email":"ann@example.com","device":{"name":"phone"}}');
const headers = { 'content-type': 'application/json', 'content-length': String(BYTES.length) };

/** The body with a field that tells whether anyone looks through the fields. */
function watched(body: object) {
  const seen = { walked: false };
  Object.defineProperty(body, 'watch', { enumerable: true, get: () => (seen.walked = true) });
  return { body, seen };
}

describe('a body on its way to a route', () => {
  // Seen red without the memory of what was parsed.
  it('is looked through once: what the parser has judged is taken as it is', () => {
    const { body, seen } = watched(parseJsonBody(headers, BYTES)!);
    expect(demandJson({ headers, body })).toBe(body);
    expect(seen.walked).toBe(false);
  });

  it('is looked through there when the parser of a host has read it', () => {
    const { body, seen } = watched(JSON.parse(BYTES.toString()) as object);
    expect(demandJson({ headers, body })).toBe(body);
    expect(seen.walked).toBe(true);
  });

  it('is judged for itself, whatever was parsed before it', () => {
    parseJsonBody(headers, BYTES);
    const body = { ...JSON.parse(BYTES.toString()), prototype: 1 };
    expect(() => demandJson({ headers, body })).toThrow(expect.objectContaining({ status: 400 }));
  });
});
