import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKeyPairSync, KeyObject, randomBytes } from 'node:crypto';
import { parseEnv } from 'node:util';
import { InvalidConfiguration, loadCommandLineConfig, loadConfig } from '../../src/config';

/** Random bytes that begin as no other kind of key does. */
const key = (bytes = 32): string => Buffer.concat([Buffer.of(1), randomBytes(bytes - 1)]).toString('base64');

const kindOf = (key: unknown) => (key instanceof KeyObject ? key.asymmetricKeyType : typeof key);
const UNUSABLE = (half: string) =>
  `is no usable ${half} key: it must be of P-256, Ed25519 or RSA of at least 2048 bits, and for signatures`;

const PRODUCTION = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://ratchet:secret@db/ratchet',
  PUBLIC_ORIGIN: 'https://app.example',
  ACCESS_TOKEN_KEYS: `k1:${key()}`,
  REFRESH_TOKEN_KEYS: `1:${key()}`,
};

let home: string;
let dataFolder: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'ratchet-config-'));
  dataFolder = join(home, '.data');
});
afterEach(() => rmSync(home, { recursive: true }));

const load = (env: Record<string, string>) => loadConfig(env, dataFolder);

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    load(env);
  } catch (error) {
    if (error instanceof InvalidConfiguration) return error.problems;
    throw error;
  }
  return [];
}

describe('a development start', () => {
  it('needs no setting at all', () => {
    const config = load({});
    expect(config).toMatchObject({
      environment: 'development',
      production: false,
      http: { host: '127.0.0.1', port: 3000, swaggerEnabled: true },
      database: { url: null, migrateOnStart: true },
      auth: { publicOrigin: 'http://127.0.0.1:3000', exposeRefusalReason: true, bcryptCost: 12 },
      users: { registrationEnabled: true, bootstrapAdmin: null, demoAccounts: true },
    });
  });

  it('has the limits and times of the protocol by default', () => {
    const config = load({});
    expect(config.auth).toMatchObject({
      accessTokenTtlSeconds: 900,
      refreshTokenTtlSeconds: 7 * 86_400,
      sessionAbsoluteTtlSeconds: 30 * 86_400,
      replayWindowSeconds: 10,
      maxReplays: 20,
      retryKeys: true,
      adminReauthentication: 900,
      sessionReauthentication: null,
      reuseScope: 'session',
      reuseEscalationThreshold: 2,
      auditDeadlineMs: 2000,
      hashQueueLimit: 64,
      maxStalenessSeconds: 60,
      securityCacheTtlSeconds: 60,
      redis: null,
      maxSessionsPerUser: 100,
      sessionRetentionSeconds: 30 * 86_400,
      auditRetentionSeconds: null,
      cleanUpIntervalSeconds: 3600,
    });
    expect(config.storage).toEqual({
      schema: 'ratchet',
      notify: 'postgres',
      listenUrl: null,
      preparedStatements: true,
      auditPartition: 'month',
      database: null,
    });
    expect(config.auth.limits).toEqual({
      loginPerAccount: { points: 10, seconds: 900 },
      loginAnywhere: { points: 100, seconds: 3600 },
      loginPerIp: { points: 100, seconds: 900 },
      refreshPerSession: { points: 30, seconds: 10 },
      refreshPerUser: { points: 600, seconds: 60 },
      invalidPerIp: { points: 60, seconds: 60 },
      logoutPerSession: { points: 10, seconds: 60 },
      logoutPerIp: { points: 60, seconds: 60 },
      registerPerIp: { points: 20, seconds: 3600 },
      listPerUser: { points: 60, seconds: 60 },
    });
    expect(config).toMatchObject({ metricsPort: null, logLevel: 'info' });
  });

  it('makes keys that nobody else can read, and reads them again at the next start', () => {
    const first = load({});
    const folder = join(dataFolder, 'keys');
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(readdirSync(folder)).toEqual(['access_token_keys', 'refresh_token_keys']);
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    expect(first.auth.accessTokenKeys.map(({ kid, privateKey }) => [kid, kindOf(privateKey)])).toEqual([['dev', 'ec']]);
    expect(first.auth.refreshTokenKeys[0]?.root).toHaveLength(32);
    expect(load({}).auth).toEqual(first.auth);
  });

  it('leaves the folder above the keys open for the embedded database, which may run as another user', () => {
    load({});
    const ordinary = join(home, 'ordinary');
    mkdirSync(ordinary);
    expect(statSync(dataFolder).mode).toBe(statSync(ordinary).mode);
  });

  it('says which kept key file is damaged', () => {
    load({});
    writeFileSync(join(dataFolder, 'keys', 'refresh_token_keys'), '0:half of a k');
    expect(problemsOf({})).toEqual([expect.stringMatching(/^REFRESH_TOKEN_KEYS must be id:base64 keys/)]);
  });

  it('makes no keys where they are configured', () => {
    load({ ACCESS_TOKEN_KEYS: `a:${key()}`, REFRESH_TOKEN_KEYS: `7:${key()}` });
    expect(existsSync(dataFolder)).toBe(false);
  });

  it('names an origin that a browser can open', () => {
    expect(load({ NODE_ENV: 'development', HOST: '0.0.0.0', PORT: '8080' }).auth.publicOrigin).toBe(
      'http://localhost:8080',
    );
    expect(load({ HOST: '::1', PORT: '80' }).auth.publicOrigin).toBe('http://[::1]');
  });
});

describe('the rules of production', () => {
  it('apply when a database is configured and NODE_ENV is not', () => {
    const { NODE_ENV: _, ...unnamed } = PRODUCTION as Record<string, string>;
    expect(load(unnamed)).toMatchObject({ production: true, users: { demoAccounts: false } });
  });

  // Seen red: a container whose secret was not mounted started on the embedded database, with a public administrator.
  it('demand a database of what listens to a network, unless somebody has called it development', () => {
    for (const HOST of ['0.0.0.0', '::', '192.0.2.1', 'app.internal']) {
      expect(problemsOf({ HOST })).toContainEqual(expect.stringMatching(/^DATABASE_URL is required/));
      expect(load({ HOST, NODE_ENV: 'development', OAUTH_ENABLED: 'false' }).users.demoAccounts).toBe(true);
    }
    for (const HOST of ['127.0.0.1', '::1', 'localhost']) expect(load({ HOST }).users.demoAccounts).toBe(true);
  });

  // Seen red with an empty value taken for none.
  it.each(['DATABASE_URL', 'NODE_ENV', 'REDIS_URL', 'PUBLIC_ORIGIN', 'LIMIT_LOGIN_PER_IP'])(
    'refuse a %s that is present and empty, everywhere',
    (name) => {
      const empty = `${name} must not be empty: remove it to use the default`;
      expect(problemsOf({ [name]: '' })).toContainEqual(empty);
      expect(problemsOf({ ...PRODUCTION, [name]: ' ' })).toContainEqual(empty);
    },
  );

  it.each([
    ['NODE_ENV is production', { NODE_ENV: 'production' }],
    ['NODE_ENV is a name of its own', { NODE_ENV: 'staging' }],
  ])('apply when %s', (_, env) => {
    const config = load({ ...PRODUCTION, ...env });
    expect(config).toMatchObject({
      production: true,
      http: { host: '0.0.0.0', swaggerEnabled: false },
      auth: { exposeRefusalReason: false },
      users: { demoAccounts: false },
    });
    expect(problemsOf({ ...PRODUCTION, ...env, BCRYPT_COST: '9' })).toEqual([
      'BCRYPT_COST must be at least 10 in production',
    ]);
  });

  it.each(['development', 'test'])('do not apply in %s with a database, but its conveniences end there', (name) => {
    const own = { ...PRODUCTION, NODE_ENV: name, BCRYPT_COST: '4', ACCESS_TOKEN_TTL: '2h' };
    expect(load(own)).toMatchObject({ environment: name, production: false, users: { demoAccounts: false } });
    expect(load(own).http.host).toBe('0.0.0.0');
    const { ACCESS_TOKEN_KEYS: _access, REFRESH_TOKEN_KEYS: _refresh, ...keyless } = own;
    expect(problemsOf(keyless)).toEqual([
      expect.stringMatching(/^ACCESS_TOKEN_KEYS is required/),
      expect.stringMatching(/^REFRESH_TOKEN_KEYS is required/),
    ]);
    expect(existsSync(dataFolder)).toBe(false);
  });

  it.each(['DATABASE_URL', 'PUBLIC_ORIGIN', 'ACCESS_TOKEN_KEYS', 'REFRESH_TOKEN_KEYS'])('demand %s', (name) => {
    const { [name]: _, ...without } = PRODUCTION as Record<string, string>;
    expect(problemsOf(without)).toEqual([expect.stringMatching(`^${name} is required`)]);
  });

  it.each([
    ['BCRYPT_COST', '9', '10'],
    ['ACCESS_TOKEN_TTL', '61m', '1h'],
    ['ACCESS_TOKEN_KEYS', `a:${Buffer.alloc(32).toString('base64')}`, `a:${key()}`],
    ['ACCESS_TOKEN_KEYS', `a:${key()},b:${Buffer.alloc(48, 'abc').toString('base64')}`, `a:${key()},b:${key(48)}`],
    ['REFRESH_TOKEN_KEYS', `1:${Buffer.alloc(32, 'x').toString('base64')}`, `1:${key()}`],
  ])('refuse %s=%s', (name, bad, good) => {
    expect(problemsOf({ ...PRODUCTION, [name]: bad })).toEqual([expect.stringMatching(`^${name} must be .*`)]);
    expect(problemsOf({ ...PRODUCTION, [name]: good })).toEqual([]);
  });
});

describe('every environment', () => {
  const TWICE = key();

  it.each([
    ['PORT', '65536'],
    ['PORT', '3000 '.repeat(2)],
    ['PORT', '0x10'],
    ['HOST', 'not a host'],
    ['PUBLIC_ORIGIN', 'https://app.example/path'],
    ['PUBLIC_ORIGIN', 'app.example'],
    ['DATABASE_URL', 'mysql://db/ratchet'],
    ['DATABASE_URL', 'postgres://one,two/ratchet'],
    ['DATABASE_POOL_SIZE', '1'],
    ['DATABASE_LISTEN_URL', 'db:5432'],
    ['REDIS_URL', 'http://cache'],
    ['MIGRATE_ON_START', 'perhaps'],
    ['ACCESS_TOKEN_KEYS', Buffer.from('thirty-two characters, not fewer').toString('base64')],
    ['ACCESS_TOKEN_KEYS', `a:${key()}:b`],
    ['ACCESS_TOKEN_KEYS', `a:${key(31)}`],
    ['ACCESS_TOKEN_KEYS', `a:${key().slice(0, -3)}!!=`],
    ['ACCESS_TOKEN_KEYS', `a b:${key()}`],
    ['ACCESS_TOKEN_KEYS', `a:${key()},a:${key()}`],
    ['ACCESS_TOKEN_KEYS', `a:${key()},`],
    ['REFRESH_TOKEN_KEYS', `1:${key(33)}`],
    ['REFRESH_TOKEN_KEYS', `1:${key(31)}`],
    ['REFRESH_TOKEN_KEYS', `256:${key()}`],
    ['REFRESH_TOKEN_KEYS', `01:${key()}`],
    ['REFRESH_TOKEN_KEYS', `k:${key()}`],
    ['REFRESH_TOKEN_KEYS', `1:${TWICE},1:${TWICE}`],
    ['ACCESS_TOKEN_TTL', '15'],
    ['ACCESS_TOKEN_TTL', '0s'],
    ['ACCESS_TOKEN_TTL', '15 m'],
    ['REFRESH_TOKEN_TTL', '-1d'],
    ['REFRESH_REPLAY_WINDOW', '10ms'],
    ['REFRESH_MAX_REPLAYS', '2.5'],
    ['REUSE_SCOPE', 'tenant'],
    ['REUSE_ESCALATION_THRESHOLD', '0'],
    ['BCRYPT_COST', '3'],
    ['BCRYPT_COST', '32'],
    ['AUDIT_DEADLINE', '2m'],
    ['CLEANUP_INTERVAL', '25d'],
    ['REVOCATION_NOTIFY', 'redis'],
    ['REVOCATION_MAX_STALENESS', '1s'],
    ['EXPOSE_REFUSAL_REASON', 'maybe'],
    ['TRUST_PROXY', 'true'],
    ['TRUST_PROXY', '*'],
    ['TRUST_PROXY', '1'],
    ['TRUST_PROXY', '10.0.0.0/8,loopback'],
    ['TRUST_PROXY', '0.0.0.0/0'],
    ['TRUST_PROXY', '::/0'],
    ['CORS_ORIGINS', '*'],
    ['CORS_ORIGINS', 'https://app.example/'],
    ['CORS_ORIGINS', 'https://app.example,*'],
    ['CORS_ORIGINS', 'null'],
    ['LIMIT_LOGIN_PER_IP', '10'],
    ['LIMIT_LOGIN_PER_IP', '0/1m'],
    ['LIMIT_REFRESH_PER_SESSION', '10/0s'],
    ['LIMIT_REGISTER_PER_IP', '100/25d'],
    ['LIMIT_REGISTER_PER_IP', '100/577h'],
    ['HASH_QUEUE_LIMIT', '0'],
    ['MAX_SESSIONS_PER_USER', '-1'],
    ['SESSION_RETENTION', '0'],
    ['ADMIN_REAUTHENTICATION', 'never'],
    ['SESSION_REAUTHENTICATION', '15'],
    ['AUDIT_RETENTION', 'for ever'],
    ['AUDIT_PARTITION', 'year'],
    ['CLEANUP_INTERVAL', '25d'],
    ['METRICS_PORT', 'same'],
    ['METRICS_PORT', '3000'],
    ['LOG_LEVEL', 'loud'],
    ['DPOP', 'on'],
  ])('refuses %s=%s', (name, value) => {
    expect(problemsOf({ ...PRODUCTION, NODE_ENV: 'test', [name]: value })).toEqual([
      expect.stringMatching(`^${name} must be .`),
    ]);
  });

  it.each([
    ['REFRESH_REPLAY_WINDOW', '0', { auth: { replayWindowSeconds: 0 } }],
    ['REFRESH_RETRY_KEYS', 'false', { auth: { retryKeys: false } }],
    ['DPOP', 'off', { auth: { dpop: 'off' } }],
    ['DPOP', 'required', { auth: { dpop: 'required' } }],
    ['LIMIT_LOGIN_PER_IP', '0', { auth: { limits: { loginPerIp: null } } }],
    ['LIMIT_INVALID_PER_IP', '5/2h', { auth: { limits: { invalidPerIp: { points: 5, seconds: 7200 } } } }],
    ['LIMIT_REGISTER_PER_IP', '1/24d', { auth: { limits: { registerPerIp: { points: 1, seconds: 24 * 86_400 } } } }],
    ['MAX_SESSIONS_PER_USER', '5', { auth: { maxSessionsPerUser: 5 } }],
    ['SESSION_RETENTION', '1d', { auth: { sessionRetentionSeconds: 86_400 } }],
    ['CLEANUP_INTERVAL', '0', { auth: { cleanUpIntervalSeconds: 0 } }],
    ['TRUST_PROXY', '10.0.0.0/8, ::1', { http: { trustProxy: ['10.0.0.0/8', '::1'] } }],
    [
      'CORS_ORIGINS',
      'https://a.example,http://localhost:5173',
      {
        http: { corsOrigins: ['https://a.example', 'http://localhost:5173'] },
        auth: { corsOrigins: ['https://a.example', 'http://localhost:5173'] },
      },
    ],
    ['REDIS_URL', 'rediss://cache:6380', { auth: { redis: { url: 'rediss://cache:6380', prefix: 'ratchet:' } } }],
    ['LIMIT_LOGIN_ANYWHERE', '7/1m', { auth: { limits: { loginAnywhere: { points: 7, seconds: 60 } } } }],
    ['SHUTDOWN_DELAY', '20s', { http: { shutdownDelaySeconds: 20 } }],
    ['SHUTDOWN_DELAY', '0', { http: { shutdownDelaySeconds: 0 } }],
    ['REVOCATION_NOTIFY', 'none', { storage: { notify: 'none' } }],
    ['REVOCATION_MAX_STALENESS', '2s', { auth: { maxStalenessSeconds: 2 } }],
    ['REVOCATION_MAX_STALENESS', '2m', { auth: { maxStalenessSeconds: 120 } }],
    ['SECURITY_CACHE_TTL', '5s', { auth: { securityCacheTtlSeconds: 5 } }],
    ['DATABASE_LISTEN_URL', 'postgres://direct/ratchet', { storage: { listenUrl: 'postgres://direct/ratchet' } }],
    ['AUDIT_PARTITION', 'external', { storage: { auditPartition: 'external' } }],
    ['ADMIN_REAUTHENTICATION', '1h', { auth: { adminReauthentication: 3600 } }],
    ['ADMIN_REAUTHENTICATION', '0', { auth: { adminReauthentication: null } }],
    ['SESSION_REAUTHENTICATION', '10m', { auth: { sessionReauthentication: 600 } }],
    ['SESSION_REAUTHENTICATION', '0', { auth: { sessionReauthentication: null } }],
    ['AUDIT_RETENTION', '365d', { auth: { auditRetentionSeconds: 365 * 86_400 } }],
    ['METRICS_PORT', '9464', { metricsPort: 9464 }],
    ['DATABASE_URL', 'postgresql:///ratchet?host=/run/pg', { database: { url: 'postgresql:///ratchet?host=/run/pg' } }],
    ['SESSION_ABSOLUTE_TTL', '5s', { auth: { sessionAbsoluteTtlSeconds: 5, refreshTokenTtlSeconds: 5 } }],
  ])('takes %s=%s', (name, value, expected) => {
    expect(load({ ...PRODUCTION, NODE_ENV: 'test', [name]: value })).toMatchObject(expected);
  });

  it('wants another port for the metrics, unless the system chooses both', () => {
    const ports = (PORT: string, METRICS_PORT: string) => problemsOf({ ...PRODUCTION, PORT, METRICS_PORT });
    expect(ports('9464', '9464')).toEqual(['METRICS_PORT must be another port than PORT']);
    expect(ports('9464', '3000')).toEqual([]);
    expect(ports('0', '0')).toEqual([]);
  });

  it('takes keys in their order, in either alphabet, with and without padding', () => {
    const [first, second] = [Buffer.from(key(), 'base64'), Buffer.from(key(64), 'base64')];
    const { auth } = load({
      ...PRODUCTION,
      ACCESS_TOKEN_KEYS: `new:${first.toString('base64url')}, old:${second.toString('base64')}`,
      REFRESH_TOKEN_KEYS: `255:${first.toString('base64')},0:${key()}`,
    });
    expect(auth.accessTokenKeys.map(({ kid }) => kid)).toEqual(['new', 'old']);
    expect(auth.accessTokenKeys.map(({ secret }) => Buffer.from(secret ?? '').equals(first))).toEqual([true, false]);
    expect(auth.refreshTokenKeys.map(({ id }) => id)).toEqual([255, 0]);
  });

  it('takes access-token keys of every kind and form, and says of each that is wrong what it is, in one message', () => {
    const es = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const ed = generateKeyPairSync('ed25519');
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const other = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const entry = (kid: string, bytes: string | Buffer) => `${kid}:${Buffer.from(bytes).toString('base64')}`;
    const jwk = (half: KeyObject) => JSON.stringify(half.export({ format: 'jwk' }));
    const ring = (...entries: string[]) => ({ ...PRODUCTION, ACCESS_TOKEN_KEYS: entries.join() });

    const { auth } = load(
      ring(
        entry('pem', es.privateKey.export({ type: 'pkcs8', format: 'pem' })),
        entry('der', ed.publicKey.export({ type: 'spki', format: 'der' })),
        entry('jwk', jwk(rsa.privateKey)),
        `hs:${key()}`,
      ),
    );
    expect(auth.accessTokenKeys.map((one) => Object.keys(one)[1])).toEqual([
      'privateKey',
      'publicKey',
      'privateKey',
      'secret',
    ]);
    expect(
      problemsOf(
        ring(
          entry('pub', ed.publicKey.export({ type: 'spki', format: 'pem' })),
          entry('weak', weak.privateKey.export({ type: 'pkcs8', format: 'der' })),
          entry('curve', jwk(other.publicKey)),
          entry('torn', '-----BEGIN PRIVATE KEY-----'),
          entry('twice', key()),
          `good:${key()}`,
          `short:${key(31)}`,
        ),
      ),
    ).toEqual([
      'ACCESS_TOKEN_KEYS must be usable: pub is a public key, which only verifies: it must not be first; ' +
        `weak ${UNUSABLE('private')}; curve ${UNUSABLE('public')}; torn ${UNUSABLE('private')}; ` +
        'twice is a secret that is itself base64 text: decode it, or generate another one; ' +
        'short is no secret of 32 to 64 bytes',
    ]);
  });

  it.each([
    [{ NODE_ENV: 'test', PUBLIC_ORIGIN: 'http://localhost:3000' }, false],
    [{ NODE_ENV: 'test', PUBLIC_ORIGIN: 'https://app.example' }, true],
    [{ NODE_ENV: 'production', PUBLIC_ORIGIN: 'http://internal.example', OAUTH_ENABLED: 'false' }, true],
  ])('with %j, the refresh cookie is for https only: %s', (env, secureCookies) => {
    expect(load({ ...PRODUCTION, ...env }).auth.secureCookies).toBe(secureCookies);
  });

  it('wants the idle limit within the absolute one', () => {
    expect(problemsOf({ ...PRODUCTION, REFRESH_TOKEN_TTL: '31d' })).toEqual([
      'REFRESH_TOKEN_TTL must be at most SESSION_ABSOLUTE_TTL, which nothing extends',
    ]);
    expect(problemsOf({ ...PRODUCTION, REFRESH_TOKEN_TTL: '30d' })).toEqual([]);
  });

  it("says auth's rules in the names of the environment", () => {
    expect(
      problemsOf({
        ...PRODUCTION,
        REVOCATION_MAX_STALENESS: '1s',
        AUDIT_DEADLINE: '2m',
        REDIS_URL: 'http://cache',
        LIMIT_LOGIN_PER_IP: '0/1m',
      }),
    ).toEqual([
      'AUDIT_DEADLINE must be a whole number of milliseconds from 1000 to 60000',
      'REVOCATION_MAX_STALENESS must be a whole number of seconds from 2 to 315360000',
      'LIMIT_LOGIN_PER_IP must be whole points, at least 1, in whole seconds from 1 to 2073600',
      'REDIS_URL must be a URL that starts with redis:// or rediss://',
    ]);
  });

  it('takes sentinels together with the name of their master, with or without an address', () => {
    const sentinels = { REDIS_SENTINELS: 's1:26379, [::1]:26380', REDIS_MASTER: 'main' };
    const redis = { prefix: 'ratchet:', sentinels: ['s1:26379', '[::1]:26380'], master: 'main' };
    expect(load({ ...PRODUCTION, ...sentinels }).auth.redis).toEqual(redis);
    const url = 'rediss://ratchet:secret@cache/2';
    expect(load({ ...PRODUCTION, ...sentinels, REDIS_URL: url }).auth.redis).toEqual({ ...redis, url });
    expect(problemsOf({ ...PRODUCTION, REDIS_SENTINELS: 's1:26379' })).toEqual([
      'REDIS_SENTINELS must be set together with REDIS_MASTER, the name of the master',
    ]);
    expect(problemsOf({ ...PRODUCTION, REDIS_MASTER: 'main' })).toEqual([
      'REDIS_MASTER must be set together with REDIS_SENTINELS',
    ]);
    for (const address of ['s1', 's1:0', 's1:99999', 'redis://s1:26379', 'user:secret@s1:26379', '::1:26379'])
      expect(problemsOf({ ...PRODUCTION, REDIS_MASTER: 'main', REDIS_SENTINELS: `s2:26379,${address}` })).toEqual([
        'REDIS_SENTINELS must be addresses of sentinels, host:port each',
      ]);
  });

  it('takes a bootstrap administrator whole, by the rules for everyone', () => {
    const admin = { BOOTSTRAP_ADMIN_EMAIL: 'root@app.example', BOOTSTRAP_ADMIN_PASSWORD: 'four sensible words here' };
    expect(load({ ...PRODUCTION, ...admin }).users.bootstrapAdmin).toEqual({
      email: admin.BOOTSTRAP_ADMIN_EMAIL,
      password: admin.BOOTSTRAP_ADMIN_PASSWORD,
    });
    const together = ['BOOTSTRAP_ADMIN_EMAIL and BOOTSTRAP_ADMIN_PASSWORD must be set together'];
    for (const [name, value] of Object.entries(admin))
      expect(problemsOf({ ...PRODUCTION, [name]: value })).toEqual(together);
    expect(
      problemsOf({ ...PRODUCTION, ...admin, BOOTSTRAP_ADMIN_EMAIL: 'root', BOOTSTRAP_ADMIN_PASSWORD: 'password1' }),
    ).toEqual([
      'BOOTSTRAP_ADMIN_EMAIL must be an e-mail address',
      expect.stringMatching(/^BOOTSTRAP_ADMIN_PASSWORD must have 8 to 64 characters/),
    ]);
  });

  it('tells every problem in one message, and no value in any', () => {
    const secrets = {
      DATABASE_URL: 'mysql://user:hunter2hunter2@db',
      ACCESS_TOKEN_KEYS: `a:${key(16)}`,
      REFRESH_TOKEN_KEYS: `1:${key(40)}`,
      BOOTSTRAP_ADMIN_PASSWORD: 'tooshrt',
      REDIS_URL: 'http://:cachesecret@cache',
    };
    const env = {
      NODE_ENV: 'production',
      ...secrets,
      PORT: 'http',
      LOG_LEVEL: 'loud',
      CORS_ORIGINS: '*',
      BCRYPT_COST: '4',
    };
    const problems = problemsOf(env);
    const { message } = new InvalidConfiguration(problems);
    for (const name of Object.keys(env).slice(1)) expect(message).toContain(`- ${name} `);
    expect(message).toContain('PUBLIC_ORIGIN is required');
    expect(problems).toHaveLength(Object.keys(env).length + 1);
    for (const secret of Object.values(secrets).flatMap((value) => [value, value.slice(2, 12)])) {
      expect(message).not.toContain(secret);
    }
  });

  it('gives out a configuration that nobody can change', () => {
    const config = load({ CORS_ORIGINS: 'https://app.example' });
    for (const part of [
      config,
      config.auth,
      config.auth.limits.loginPerIp,
      config.http.corsOrigins,
      config.auth.accessTokenKeys[0],
    ]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });
});

describe('OAuth', () => {
  it('is on, and its issuer is the public origin unless another one is set', () => {
    const { auth } = load({ ...PRODUCTION });
    expect(auth).toMatchObject({ oauth: true, oauthClientId: 'app', accessTokenIssuer: 'https://app.example' });
    expect(load({}).auth.accessTokenIssuer).toBe('http://127.0.0.1:3000');
    const other = { ...PRODUCTION, ACCESS_TOKEN_ISSUER: 'https://id.example', OAUTH_CLIENT_ID: 'mobile' };
    expect(load(other).auth).toMatchObject({ accessTokenIssuer: 'https://id.example', oauthClientId: 'mobile' });
  });

  it('stops the start over an issuer that clients would refuse, and leaves any to an application without it', () => {
    const rule =
      'ACCESS_TOKEN_ISSUER must be an https URL (http on loopback) without a query, a fragment or a final slash while OAUTH_ENABLED is true, such as https://app.example';
    expect(problemsOf({ ...PRODUCTION, ACCESS_TOKEN_ISSUER: 'ratchet' })).toEqual([rule]);
    expect(problemsOf({ ...PRODUCTION, PUBLIC_ORIGIN: 'http://app.example' })).toEqual([rule]);
    const without = { ...PRODUCTION, OAUTH_ENABLED: 'false' };
    expect(load({ ...without, ACCESS_TOKEN_ISSUER: 'ratchet' }).auth).toMatchObject({ oauth: false });
    expect(load({ ...without, PUBLIC_ORIGIN: 'http://app.example' }).auth.accessTokenIssuer).toBe('http://app.example');
  });

  it('takes the names and secrets of services', () => {
    const [one, other] = ['1'.repeat(32), 'a-secret_of~others.'.repeat(2)];
    expect(load({ ...PRODUCTION, RESOURCE_SERVERS: `orders:${one}, billing:${other}` }).auth.resourceServers).toEqual([
      { name: 'orders', secret: one },
      { name: 'billing', secret: other },
    ]);
    for (const wrong of ['orders', ':x', 'orders:short', `a:${one},a:${other}`, `orders:${one}=`]) {
      const [problem, ...others] = problemsOf({ ...PRODUCTION, RESOURCE_SERVERS: wrong });
      expect([problem, others]).toEqual([expect.stringMatching(/^RESOURCE_SERVERS must be /), []]);
      expect(problem).not.toContain(one);
    }
  });
});

describe('the command line', () => {
  const command = (env: Record<string, string>) => loadCommandLineConfig(env, dataFolder);

  // Seen red with the demands of production, and with keys that every reading made.
  it('needs no key and no other setting, not even in production, and makes none', () => {
    const url = 'postgres://db/host';
    const config = command({ NODE_ENV: 'production', DATABASE_URL: url, PORT: 'a pipe', LOG_LEVEL: 'verbose' });
    expect(config).toMatchObject({
      environment: 'production',
      database: { url },
      auth: { sessionRetentionSeconds: 30 * 86_400 },
    });
    expect(command({}).auth).not.toHaveProperty('accessTokenKeys');
    expect(existsSync(dataFolder)).toBe(false);
  });

  it('has the keys that development keeps', () => {
    const { accessTokenKeys, refreshTokenKeys } = load({}).auth;
    expect(command({}).auth).toMatchObject({ accessTokenKeys, refreshTokenKeys });
  });

  it('refuses what is set and not usable', () => {
    const env = { DATABASE_URL: 'postgres://db/host', ACCESS_TOKEN_KEYS: `a:${key(16)}`, SESSION_RETENTION: '0' };
    expect(() => command(env)).toThrow(
      /- ACCESS_TOKEN_KEYS must be usable: a is no secret of 32 to 64 bytes\n {2}- SESSION_RETENTION must be a whole/,
    );
  });
});

describe('.env.example', () => {
  const text = readFileSync(join(__dirname, '../../.env.example'), 'utf8');
  const example = parseEnv(text) as Record<string, string>;

  it('lists every variable that is read, and no other', () => {
    const read = new Set<string>();
    const watched = new Proxy<Record<string, string>>(PRODUCTION, {
      get: (env, name: string) => (read.add(name), env[name]),
    });
    loadConfig(watched, dataFolder);
    expect([...text.matchAll(/^(?:# )?([A-Z_]+)=/gm)].map(([, name]) => name).sort()).toEqual([...read].sort());
  });

  it('fails safely when it is used unchanged: each placeholder is named, and nothing else is wrong', () => {
    expect(problemsOf(example)).toEqual(
      ['DATABASE_URL', 'ACCESS_TOKEN_KEYS', 'REFRESH_TOKEN_KEYS', 'PUBLIC_ORIGIN'].map(
        (name) => `${name} still holds the placeholder of .env.example`,
      ),
    );
  });

  it('starts with its secrets filled in, as it stands', () => {
    expect(load({ ...example, ...PRODUCTION })).toMatchObject({ production: true });
    for (const value of Object.values(example)) expect(value).not.toBe('');
  });

  it('holds the defaults of production', () => {
    expect(load({ ...example, ...PRODUCTION })).toEqual(load(PRODUCTION));
  });
});
