import { InvalidInput } from '../../src';
import {
  demandClaims,
  demandNoDouble,
  MAX_SESSION_CLAIMS,
  MAX_USER_CLAIMS,
  mergedClaims,
} from '../../src/auth/domain/claims';

const RESERVED =
  'iss sub aud exp nbf iat jti sid gv uv roles email auth_time amr acr act cnf client_id scope active username token_type';

/** What is wrong, by the name of the claim. */
function refused(claims: unknown, max = MAX_SESSION_CLAIMS): string {
  try {
    return JSON.stringify(demandClaims('claims', claims, max));
  } catch (error) {
    return (error as Error & { path: string }).path;
  }
}

function merged(user: unknown, session: Record<string, unknown> | null) {
  const reports: string[] = [];
  return { claims: mergedClaims(user, session, (name) => void reports.push(name)), reports };
}

/** Why. */
function whyRefused(claims: unknown): string {
  try {
    demandClaims('claims', claims, MAX_SESSION_CLAIMS);
    return 'not refused';
  } catch (error) {
    return (error as Error).message;
  }
}

const listsIn = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth));
const objectsIn = (depth: number): unknown => JSON.parse('{"a":'.repeat(depth) + '1' + '}'.repeat(depth));

describe('The claims of a host', () => {
  it.each<[string, unknown]>([
    ['claims must be an object', 7],
    ['claims.sub must not have a reserved name', { sub: 'x' }],
    ['claims. must have a name of 1 to 128 printable characters', { '': 1 }],
    ['claims.d must be JSON, without U+0000 and lone surrogates', { d: new Date() }],
    [
      'claims.a must be smaller: together they have at most 2048 bytes',
      { small: 1, a: 'x'.repeat(1100), b: 'x'.repeat(1100) },
    ],
  ])('are refused with %j', (words, claims) => {
    expect(whyRefused(claims)).toBe(words);
  });

  it('are all that JSON has', () => {
    const claims = {
      nothing: null,
      yes: true,
      no: false,
      text: 'Zoë 🗝',
      number: -1.5,
      list: [1, 'b', null, [], {}],
      object: { a: { b: [false] } },
      lists: listsIn(16),
      objects: objectsIn(16),
      ['x'.repeat(128)]: '',
    };
    expect(demandClaims('claims', claims, MAX_SESSION_CLAIMS)).toEqual(claims);
  });

  it.each([...RESERVED.split(' '), '__proto__'])('are not called %s', (name) => {
    const claims = Object.fromEntries([[name, 'x']]);
    expect(refused(claims)).toBe(`claims.${name}`);
    expect(merged(claims, { tenant: 'a' })).toEqual({ claims: { tenant: 'a' }, reports: [name] });
  });

  it.each<[string, unknown]>([
    ['claims', []],
    ['claims', 'tenant'],
    ['claims', new Date()],
    ['claims', new Map()],
    ['claims.', { '': 1 }],
    ['claims.a\nb', { 'a\nb': 1 }],
    [`claims.${'x'.repeat(129)}`, { ['x'.repeat(129)]: 1 }],
    ['claims.f', { f: () => 1 }],
    ['claims.n', { n: Number.NaN }],
    ['claims.n', { n: 1n }],
    ['claims.d', { d: new Date() }],
    ['claims.s', { s: 'a\0b' }],
    ['claims.s', { s: '\ud800' }],
    ['claims.s', { s: [{ 'a\0': 1 }] }],
    ['claims.s', { s: [1, undefined] }],
    ['claims.o', { o: { good: 1, f: () => 1 } }],
    ['claims.o', { o: { 'a\0': 1 } }],
    ['claims.deep', { deep: listsIn(17) }],
    ['claims.deep', { deep: objectsIn(17) }],
    ['claims.long', { short: 'a', long: 'x'.repeat(2100), other: 'b' }],
  ])('are refused as %j with the name of the claim (%#)', (path, claims) => {
    expect(refused(claims)).toBe(path);
  });

  it('are JSON of at most 2 KB for a session and 1 KB for a user, to the byte', () => {
    const sized = (bytes: number) => ({ a: 'ö'.repeat(100) + 'x'.repeat(bytes - 8 - 200) });
    expect(refused(sized(MAX_SESSION_CLAIMS))).toBe(JSON.stringify(sized(MAX_SESSION_CLAIMS)));
    expect(refused(sized(MAX_SESSION_CLAIMS + 1))).toBe('claims.a');
    expect(refused(sized(MAX_USER_CLAIMS), MAX_USER_CLAIMS)).toBe(JSON.stringify(sized(MAX_USER_CLAIMS)));
    expect(refused(sized(MAX_USER_CLAIMS + 1), MAX_USER_CLAIMS)).toBe('claims.a');
    expect(merged(sized(MAX_USER_CLAIMS), null).reports).toEqual([]);
    expect(merged(sized(MAX_USER_CLAIMS + 1), null)).toEqual({ claims: {}, reports: ['a'] });
  });

  it('are none where there are none', () => {
    for (const none of [undefined, null, {}, { a: undefined }]) expect(refused(none)).toBe('null');
    expect(merged(undefined, null)).toEqual({ claims: undefined, reports: [] });
    expect(merged(null, null)).toEqual({ claims: undefined, reports: [] });
    expect(merged({ a: undefined }, null)).toEqual({ claims: {}, reports: [] });
    for (const none of [undefined, null]) expect(merged(none, { a: 1 })).toEqual({ claims: { a: 1 }, reports: [] });
  });

  it('are of the user or of the session, and not of both', () => {
    const double = () => demandNoDouble('claims', { plan: 'a', tenant: 'b' }, { tenant: null });
    expect(double).toThrow(new InvalidInput('claims.tenant', 'must not be one of the user'));
    expect(() => demandNoDouble('claims', { tenant: 'a' }, null)).not.toThrow();
    expect(() => demandNoDouble('claims', { tenant: 'a' }, { plan: 'b' })).not.toThrow();
    expect(() => demandNoDouble('claims', null, null)).not.toThrow();
  });

  // Seen red with the session's value.
  it('fail nothing at a refresh: what cannot be a claim is left out, of a double the user’s counts', () => {
    const user = { tenant: 'user’s', sub: 'x', bad: 1n, later: () => 1 };
    expect(merged(user, { tenant: 'session’s', plan: 'b', uv: 7 })).toEqual({
      claims: { tenant: 'user’s', plan: 'b' },
      reports: ['uv', 'tenant', 'sub', 'bad', 'later'],
    });
    const said: string[] = [];
    const long = 'x'.repeat(MAX_USER_CLAIMS);
    const session = { uv: 7, tenant: 'a' };
    mergedClaims({ tenant: 'b', sub: 'x', long }, session, (...report) => void said.push(report.join(' ')));
    mergedClaims([], session, (...report) => void said.push(report.join(' ')));
    expect(said).toEqual([
      'uv is left out: it must not have a reserved name',
      "tenant is of the session and of the user: the user's counts",
      'sub is left out: it must not have a reserved name',
      'long is left out: the claims of a user have at most 1024 bytes',
      'uv is left out: it must not have a reserved name',
      ' of the user are left out: they must be an object',
    ]);
    for (const nonsense of [[], 'text', 7, new Date()])
      expect(merged(nonsense, { plan: 'b' })).toEqual({ claims: { plan: 'b' }, reports: [''] });
  });
});
