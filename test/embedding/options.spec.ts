import { randomBytes } from 'node:crypto';
import { Test } from '@nestjs/testing';
import { AuthModule, completeOptions, type GivenAuthOptions, InvalidAuthOptions } from '../../src';
import { AuthTestingModule } from '../../src/testing';

const NEEDED: GivenAuthOptions = {
  accessTokenKeys: [{ kid: 'k1', secret: randomBytes(32) }],
  accessTokenIssuer: 'https://finance.example',
  accessTokenAudience: 'finance',
  refreshTokenKeys: [{ id: 1, root: randomBytes(32) }],
};

const problemsOf = (options: unknown): readonly string[] => {
  try {
    completeOptions(options as GivenAuthOptions);
  } catch (error) {
    if (error instanceof InvalidAuthOptions) return error.problems.map(({ option, rule }) => `${option} ${rule}`);
    throw error;
  }
  return [];
};

const key = (kid: string, bytes = 32) => ({ kid, secret: randomBytes(bytes) });
const service = (name: string) => ({ name, secret: 'x'.repeat(32) });
const root = (id: number, bytes = 32) => ({ id, root: randomBytes(bytes) });

describe("a host's options", () => {
  it('need keys, issuer and audience; the rest has safe defaults', () => {
    expect(completeOptions(NEEDED)).toMatchObject({
      ...NEEDED,
      accessTokenTtlSeconds: 900,
      exposeRefusalReason: false,
      secureCookies: true,
      publicOrigin: null,
      limits: { loginPerAccount: { points: 10, seconds: 900 } },
    });
    expect(problemsOf({})).toEqual([
      expect.stringMatching(/^accessTokenKeys must be keys/),
      expect.stringMatching(/^refreshTokenKeys must be keys/),
      'accessTokenIssuer must be a non-empty string',
      'accessTokenAudience must be a non-empty string',
    ]);
  });

  // Without the origin, every proof would be refused.
  it('that bind access tokens go with a public origin', () => {
    for (const dpop of ['all', 'required'] as const) {
      expect(problemsOf({ ...NEEDED, dpop })).toEqual([
        'publicOrigin must be given while dpop is all or required: proofs name it',
      ]);
      expect(problemsOf({ ...NEEDED, dpop, publicOrigin: 'https://app.example' })).toEqual([]);
    }
  });

  it('that are undefined are not given', () => {
    expect(completeOptions({ ...NEEDED, bcryptCost: undefined }).bcryptCost).toBe(12);
  });

  it('keep the limits that are not named', () => {
    const { limits } = completeOptions({ ...NEEDED, limits: { loginPerIp: null } });
    expect(limits).toMatchObject({ loginPerIp: null, loginPerAccount: { points: 10, seconds: 900 } });
  });

  // Seen red with https alone: pages of Capacitor, Tauri and of extensions were refused.
  it('name origins of any scheme, as browsers and web views send them', () => {
    const corsOrigins = [
      'https://app.example',
      'http://localhost:5173',
      'http://[::1]:3000',
      'capacitor://localhost',
      'tauri://localhost',
      'chrome-extension://abcdefghijklmnopabcdefghijklmnop',
    ];
    expect(completeOptions({ ...NEEDED, corsOrigins }).corsOrigins).toEqual(corsOrigins);
  });

  it('shorten the idle limit with the absolute one', () => {
    expect(completeOptions({ ...NEEDED, sessionAbsoluteTtlSeconds: 3600 }).refreshTokenTtlSeconds).toBe(3600);
  });

  it.each<[string, object, string]>([
    ['two keys of one kid', { accessTokenKeys: [key('a'), key('a')] }, 'accessTokenKeys'],
    ['a key of 31 bytes', { accessTokenKeys: [key('a', 31)] }, 'accessTokenKeys'],
    ['a key that is a text', { accessTokenKeys: [{ kid: 'a', secret: 'x'.repeat(32) }] }, 'accessTokenKeys'],
    ['no key', { refreshTokenKeys: [] }, 'refreshTokenKeys'],
    ['two roots of one id', { refreshTokenKeys: [root(1), root(1)] }, 'refreshTokenKeys'],
    ['an id beyond a byte', { refreshTokenKeys: [root(256)] }, 'refreshTokenKeys'],
    ['a root of 33 bytes', { refreshTokenKeys: [root(1, 33)] }, 'refreshTokenKeys'],
    ['an empty issuer', { accessTokenIssuer: ' ' }, 'accessTokenIssuer'],
    ['a duration of half a second', { accessTokenTtlSeconds: 0.5 }, 'accessTokenTtlSeconds'],
    ['a duration as a text', { replayWindowSeconds: '10s' }, 'replayWindowSeconds'],
    ['news that are old before the next poll', { maxStalenessSeconds: 1 }, 'maxStalenessSeconds'],
    ['a duration that is no number', { maxStalenessSeconds: NaN }, 'maxStalenessSeconds'],
    ['an idle limit beyond the absolute one', { refreshTokenTtlSeconds: 3_000_000 }, 'refreshTokenTtlSeconds'],
    ['a clean-up that no timer can wait for', { cleanUpIntervalSeconds: 30 * 86_400 }, 'cleanUpIntervalSeconds'],
    ['a proof that is never recent', { adminReauthentication: 0 }, 'adminReauthentication'],
    ['an age of a proof as a text', { sessionReauthentication: '10m' }, 'sessionReauthentication'],
    ['a flag as a text', { retryKeys: 'true' }, 'retryKeys'],
    ['another scope', { reuseScope: 'family' }, 'reuseScope'],
    ['an origin with a path', { publicOrigin: 'https://finance.example/' }, 'publicOrigin'],
    ['any origin', { corsOrigins: ['*'] }, 'corsOrigins'],
    ['no origin', { corsOrigins: ['null'] }, 'corsOrigins'],
    ['an origin of another scheme with a slash', { corsOrigins: ['capacitor://localhost/'] }, 'corsOrigins'],
    ['an origin in capitals', { corsOrigins: ['https://App.example'] }, 'corsOrigins'],
    ['an origin with its default port', { publicOrigin: 'https://app.example:443' }, 'publicOrigin'],
    ['a cookie name with a space', { cookieName: 'a b' }, 'cookieName'],
    ['a cookie of https on plain http', { cookieName: '__Secure-r', secureCookies: false }, 'cookieName'],
    ["a host's cookie with a path", { cookieName: '__Host-r', cookiePath: '/api' }, 'cookieName'],
    ['a cookie for other sites on plain http', { cookieSameSite: 'none', secureCookies: false }, 'cookieSameSite'],
    ['a path that ends the attribute', { cookiePath: '/; Domain=example' }, 'cookiePath'],
    ['a limit without points', { limits: { loginPerIp: { seconds: 60 } } }, 'limits.loginPerIp'],
    [
      'a limit that no timer can wait for',
      { limits: { loginPerIp: { points: 1, seconds: 25 * 86_400 } } },
      'limits.loginPerIp',
    ],
    ['a limit of another name', { limits: { perIp: null } }, 'limits.perIp'],
    ['Redis without a prefix', { redis: { url: 'redis://cache' } }, 'redis.prefix'],
    ['Redis nowhere', { redis: { prefix: 'r:' } }, 'redis.url'],
    ['sentinels without a master', { redis: { prefix: 'r:', sentinels: ['s1:26379'] } }, 'redis.sentinels'],
    ['Redis at an address of another kind', { redis: { url: 'http://cache', prefix: 'r:' } }, 'redis.url'],
    [
      'a service with a short secret',
      { resourceServers: [{ name: 'orders', secret: 'x'.repeat(31) }] },
      'resourceServers',
    ],
    [
      'a secret that HTTP Basic would split',
      { resourceServers: [{ name: 'orders', secret: `${'x'.repeat(32)}+` }] },
      'resourceServers',
    ],
    ['two services of one name', { resourceServers: [service('a'), service('a')] }, 'resourceServers'],
    ['a service without a name', { resourceServers: [service('')] }, 'resourceServers'],
    ['a client id with a space', { oauthClientId: 'my app' }, 'oauthClientId'],
    ['a misspelt name', { accesTokenTtlSeconds: 60 }, 'accesTokenTtlSeconds'],
  ])('with %s are not usable', (_, wrong, name) => {
    expect(problemsOf({ ...NEEDED, ...wrong })).toEqual([expect.stringMatching(new RegExp(`^${name} `))]);
  });

  // Seen red with any text as the issuer: a client found the metadata and refused them, or found nothing.
  it.each([
    'ratchet',
    'http://finance.example',
    'https://finance.example/',
    'https://finance.example/tenant/',
    'https://finance.example?a=b',
    'https://finance.example?',
    'https://finance.example#',
    'https://user@finance.example',
    'https://Finance.example',
    'https://finance.example:443',
    'ftp://localhost',
  ])('with OAuth and the issuer %s are not usable', (accessTokenIssuer) => {
    expect(problemsOf({ ...NEEDED, accessTokenIssuer, oauth: true })).toEqual([
      expect.stringMatching(/^accessTokenIssuer must be an https URL \(http on loopback\)/),
    ]);
    expect(problemsOf({ ...NEEDED, accessTokenIssuer })).toEqual([]);
  });

  it.each([
    'https://finance.example',
    'https://finance.example:8443/tenant',
    'http://localhost:3000',
    'http://127.0.0.1:3000',
    'http://[::1]:3000',
  ])('may have OAuth and the issuer %s', (accessTokenIssuer) => {
    expect(problemsOf({ ...NEEDED, accessTokenIssuer, oauth: true })).toEqual([]);
  });

  it('fail the start in one message that names every problem and no value', async () => {
    const wrong = { accessTokenIssuer: '', bcryptCost: 3, refreshTokenKeys: [root(7), root(7)] };
    const start = Test.createTestingModule({
      imports: [AuthTestingModule.forRoot({ options: wrong })],
    }).compile();
    await expect(start).rejects.toThrow(
      'The options of AuthModule are not usable:\n' +
        '  - refreshTokenKeys must be keys with an id from 0 to 255, no id twice, and a root of exactly 32 bytes\n' +
        '  - accessTokenIssuer must be a non-empty string\n' +
        '  - bcryptCost must be a whole number from 4 to 31',
    );
  });

  it.each([undefined, 'PeopleUserDirectory'])(
    'with %p for the user directory say in a sentence what is missing',
    (none) => {
      expect(() => AuthModule.forRoot({ ...NEEDED, userDirectory: none as never })).toThrow(
        "AuthModule needs `userDirectory`: a class that extends UserDirectory and finds the application's users",
      );
      expect(() => AuthModule.forRootAsync({ useFactory: () => NEEDED })).toThrow(/needs `userDirectory`/);
    },
  );
});
