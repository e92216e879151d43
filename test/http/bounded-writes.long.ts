import { randomUUID } from 'node:crypto';
import { AccessTokenSigner, AUTH_DEFAULTS, type LimitName } from '../../src';
import { openApiDocument } from '../../src/auth/http';
import { type Account, type Json, startTestApplication, type TestApplication } from '../support/app/test-application';
import { testDatabase, type TestDatabase } from '../support/database/test-database';
import { openChain, TRUSTING } from './support/sessions';

/** The defaults, but for one that would let through as many renames as there are here. */
const LIMITS = { ...AUTH_DEFAULTS.limits, listPerUser: { points: 20, seconds: 60 } };
const SPELLED = Object.entries(LIMITS).map(([name, limit]) => [
  `LIMIT_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`,
  `${limit!.points}/${limit!.seconds}s`,
]);
const PASSWORD = 'a long enough passphrase';
/** How often a token is presented where it must not write: there, one row is too many. Where it may, that much beyond the bound. */
const FEW = 5;
const MOST = 120;
const AT_ONCE = 20;
/** Of a real change. */
const TURNS = 6;

const ROLES = ['user', 'admin'] as const;
type Role = (typeof ROLES)[number];
const TOKENS = [
  'live access token',
  'expired access token',
  'access token of a session that has ended',
  'live refresh token',
  'superseded refresh token',
  'refresh token of a session that has ended',
] as const;
type TokenKind = (typeof TOKENS)[number];
const PLACES = ['bearer', 'body', 'cookie'] as const;
type Place = (typeof PLACES)[number];

/** A token, and what a request needs to be one that writes: another session, another user. */
interface Presented {
  readonly token: string;
  readonly account: Account & { readonly id: string };
  readonly otherSession: string;
  readonly otherUser: string;
}

interface Operation {
  readonly path?: (presented: Presented) => string;
  readonly body?: (presented: Presented) => object;
  readonly headers?: Readonly<Record<string, string>>;
  /** Where the route reads a token; by default in the `Authorization` header alone. */
  readonly places?: readonly Place[];
}

/** A request of each operation of the OpenAPI document: the one that writes the most. */
const OPERATIONS: Readonly<Record<string, Operation>> = {
  register: { body: ({ account }) => ({ email: account.email, password: PASSWORD }) },
  login: { body: ({ account }) => ({ email: account.email, password: 'not the password' }) },
  refresh: { body: () => ({}), places: ['body', 'cookie'] },
  reauthenticate: { body: ({ account }) => ({ password: account.password }), places: ['body', 'cookie'] },
  logout: { body: () => ({}), places: PLACES },
  me: {},
  logoutAll: {},
  changePassword: { body: () => ({ currentPassword: PASSWORD, newPassword: 'another long passphrase' }) },
  listSessions: {},
  revokeOtherSessions: { path: () => '/auth/sessions?except=current' },
  revokeSession: { path: ({ otherSession }) => `/auth/sessions/${otherSession}` },
  renameSession: {
    path: ({ otherSession }) => `/auth/sessions/${otherSession}`,
    body: () => ({ deviceName: randomUUID() }),
  },
  registerDeviceKey: { places: ['cookie'], headers: { 'Secure-Session-Response': 'junk' } },
  renewBoundCookie: { places: ['cookie'], headers: { 'Sec-Secure-Session-Id': randomUUID() } },
  updateUser: { path: ({ otherUser }) => `/admin/users/${otherUser}`, body: () => ({ isActive: false }) },
  actForUser: { path: ({ otherUser }) => `/admin/users/${otherUser}/act`, body: () => ({ reason: 'a test' }) },
  findAuditEvents: {},
  countRareEvents: {},
  // Of few events: so many exports of the whole trail at once would be cut off.
  exportAuditEvents: { path: ({ otherSession }) => `/admin/audit-events/export?sessionId=${otherSession}` },
  findUsers: { path: () => '/admin/users?query=nobody' },
  endSession: { path: ({ otherSession }) => `/admin/sessions/${otherSession}` },
  overview: {},
  settings: {},
  doctor: {},
  previewRotation: {},
  getSessionHistory: { path: ({ otherSession }) => `/admin/sessions/${otherSession}/history` },
  getSecurityPolicy: {},
  updateSecurityPolicy: { body: () => ({ gracePeriodSeconds: 300 }) },
  rotateAllTokens: { body: () => ({ reason: 'a test', expectedVersion: 1_000_000 }) },
  recoverAfterFailover: { body: () => ({ reason: 'a test', forSeconds: 0 }) },
  rotateUserTokens: {
    path: () => '/admin/users/nobody/rotations',
    body: () => ({ reason: 'a test' }),
  },
  listUserSessions: { path: ({ otherUser }) => `/admin/users/${otherUser}/sessions` },
  revokeUserSessions: { path: ({ otherUser }) => `/admin/users/${otherUser}/sessions` },
  readRevocations: {},
  verifyAccessToken: {},
  live: {},
  ready: {},
  metrics: {},
};

interface Rows {
  readonly events: number;
  readonly revocations: number;
  readonly sessions: number;
}
const rows = (events: number, revocations = 0, sessions = 0): Rows => ({ events, revocations, sessions });
const NOTHING = rows(0);

/** What is counted while `seconds` pass: windows begin with the first of their requests, or with the clock's minute. */
const within = (points: number, window: number, seconds: number) => points * (2 + Math.floor(seconds / window));
const limited = (name: LimitName, seconds: number) => within(LIMITS[name]!.points, LIMITS[name]!.seconds, seconds);
/** An attempt and its ending. */
const PAIR = 2;
/** Of junk and of throttled requests, one by one. */
const junk = (seconds: number) => PAIR * within(10, 60, seconds);
const perMinute = (points: number, seconds: number) => within(points, 60, seconds);

/**
 * The rows that one token may write at a route in `seconds`, however often it is presented. What is not here writes none.
 * `session` and `user` are about the most that one request does: the end of a session, or of all of a user's two.
 */
function boundOf(operation: string, kind: TokenKind, role: Role, place: Place, seconds: number): Rows {
  const isAccess = kind.includes('access');
  if (operation === 'login') return rows(PAIR * limited('loginPerAccount', seconds) + junk(seconds));
  if (operation === 'refresh' || operation === 'reauthenticate') {
    if (isAccess) return rows(junk(seconds));
    const refusals = PAIR * limited('refreshPerSession', seconds) + junk(seconds);
    // Each rotation and replay with its proof, and waits, of which some have found out after the password. What the limits of
    // passwords refuse is of two attempts.
    if (operation === 'reauthenticate' && kind === 'live refresh token' && place === 'body')
      return rows(
        (1 + AUTH_DEFAULTS.maxReplays) * (1 + PAIR) + AUTH_DEFAULTS.maxReplays * 2 * PAIR + 2 * junk(seconds),
      );
    // A rotation, the replays of its predecessor through the window, and as many waits; or a reuse, which ends the session.
    if (kind === 'live refresh token') return rows(refusals + 1 + AUTH_DEFAULTS.maxReplays * (1 + PAIR));
    return kind === 'superseded refresh token' ? rows(refusals + 4, 1) : rows(refusals);
  }
  if (operation === 'registerDeviceKey') return rows(isAccess ? junk(seconds) : perMinute(10, seconds) + junk(seconds));
  // To a genuine token it is a challenge, which is not recorded.
  if (operation === 'renewBoundCookie') return isAccess ? rows(junk(seconds)) : NOTHING;
  if (operation === 'logout') {
    if (isAccess !== (place === 'bearer')) return rows(junk(seconds));
    // One that ends the session, and then those that end nothing.
    return rows(3 + PAIR * limited('logoutPerSession', seconds) + junk(seconds), 1);
  }
  if (kind !== 'live access token') return NOTHING;
  switch (operation) {
    case 'logoutAll': {
      const times = 1 + limited('logoutPerSession', seconds);
      return rows(2 + 3 * times + junk(seconds), times);
    }
    case 'changePassword':
      return rows(7 + PAIR * limited('loginPerAccount', seconds) + junk(seconds), 1, 1);
    case 'revokeOtherSessions':
    case 'revokeSession':
      return rows(1, 1);
    case 'renameSession':
      return rows(limited('listPerUser', seconds));
  }
  if (!/^\/admin\//.test(PATHS.get(operation)!)) return NOTHING;
  if (role === 'user') return rows(perMinute(10, seconds));
  switch (operation) {
    case 'endSession':
      return rows(1, 1);
    case 'countRareEvents':
    case 'exportAuditEvents':
    case 'findAuditEvents':
    case 'getSessionHistory':
      return rows(within(1, 600, seconds));
    // Each token is a record, up to the limit.
    case 'actForUser':
      return rows(limited('listPerUser', seconds) + junk(seconds));
    case 'rotateAllTokens':
    case 'rotateUserTokens':
      return rows(PAIR * perMinute(10, seconds));
    case 'revokeUserSessions':
    case 'updateUser': {
      const times = 1 + limited('logoutPerSession', seconds);
      return rows(2 + PAIR * times, times);
    }
    default:
      return NOTHING;
  }
}

/** By operation: filled from the document. */
const PATHS = new Map<string, string>();
const METHODS = new Map<string, string>();

describe('One token, however often it is presented,', () => {
  let database: TestDatabase;
  let app: TestApplication;
  let tokenFields: ReadonlySet<string>;
  beforeAll(async () => {
    database = await testDatabase();
    app = await startTestApplication({
      database,
      // The window stays open, so that its replays and waits are not followed by a reuse. OAuth's shapes are of the same commands.
      env: { ...TRUSTING, ...Object.fromEntries(SPELLED), REFRESH_REPLAY_WINDOW: '1h', OAUTH_ENABLED: 'false' },
    });
    const { paths, components } = openApiDocument(app.app) as Json;
    const withToken = new Set<string>();
    for (const [path, methods] of Object.entries<Json>(paths)) {
      for (const [method, { operationId, requestBody }] of Object.entries<Json>(methods)) {
        PATHS.set(operationId, path);
        METHODS.set(operationId, method.toUpperCase());
        const schema = requestBody?.content['application/json'].schema.$ref?.split('/').at(-1);
        if (components.schemas[schema]?.properties?.refreshToken !== undefined) withToken.add(operationId);
      }
    }
    tokenFields = withToken;
  });
  afterAll(() => database.close());

  let networks = 0;
  const newIp = () => `10.${++networks >> 16}.${(networks >> 8) & 255}.${networks & 255}`;
  const idOfNewUser = async (): Promise<Account & { id: string }> => {
    const email = `${randomUUID()}@example.com`;
    const { status, body } = await app.post(
      '/auth/register',
      { email, password: PASSWORD },
      { 'X-Forwarded-For': newIp() },
    );
    expect(status).toBe(201);
    return { email, password: PASSWORD, id: body.id };
  };

  async function mint(kind: TokenKind, role: Role): Promise<Presented> {
    const account = await idOfNewUser();
    if (role === 'admin') await app.query(`UPDATE users SET roles = '{user,admin}' WHERE id = $1`, [account.id]);
    const options = { account, headers: { 'X-Forwarded-For': newIp() } };
    const other = await openChain(app, 0, options);
    const otherUser = kind === 'live access token' && role === 'admin' ? await idOfNewUser() : account;
    if (otherUser !== account) await openChain(app, 0, { ...options, account: otherUser });
    const { email, password } = account;
    const { accessToken, refreshToken, sessionId } = (
      await app.post('/auth/login', { email, password }, options.headers)
    ).body;
    const presented = { account, otherSession: other.sessionId, otherUser: otherUser.id };
    const logOut = () => app.post('/auth/logout', { refreshToken }, { 'X-Forwarded-For': newIp() });
    switch (kind) {
      case 'live access token':
        return { ...presented, token: accessToken };
      case 'live refresh token':
        return { ...presented, token: refreshToken };
      case 'superseded refresh token': {
        const next = (await app.refresh(refreshToken)).body.refreshToken;
        expect((await app.refresh(next)).status).toBe(200);
        return { ...presented, token: refreshToken };
      }
      case 'expired access token': {
        const now = Math.floor(Date.now() / 1000);
        const stamps = { tokenVersion: 1, globalVersionAtIssuance: 1 };
        const claims = { sub: account.id, sid: sessionId, jti: randomUUID(), iat: now - 3600, exp: now - 2700, stamps };
        const signer = app.app.get(AccessTokenSigner, { strict: false });
        return { ...presented, token: await signer.sign({ ...claims, roles: [role] }) };
      }
      case 'access token of a session that has ended':
        expect((await logOut()).status).toBe(204);
        return { ...presented, token: accessToken };
      case 'refresh token of a session that has ended':
        expect((await logOut()).status).toBe(204);
        return { ...presented, token: refreshToken };
    }
  }

  const countOf = async () => {
    const [count] = await app.query<{ revocations: number; sessions: number }>(
      'SELECT (SELECT count(*)::int FROM revocations) AS revocations, (SELECT count(*)::int FROM sessions) AS sessions',
    );
    return count!;
  };

  async function present(operation: string, place: Place, presented: Presented, from: string, userAgent: string) {
    const { path = () => PATHS.get(operation)!, body, headers } = OPERATIONS[operation]!;
    const { token } = presented;
    return app.request(METHODS.get(operation)!, path(presented), {
      ...(body !== undefined && {
        body: { ...body(presented), ...(place === 'body' && { refreshToken: token }) },
      }),
      ...(place === 'bearer' && { bearer: token }),
      headers: {
        ...headers,
        'User-Agent': userAgent,
        'X-Forwarded-For': from,
        ...(place === 'cookie' && {
          Cookie: `refresh=${token}; __Host-refresh=${token}`,
          'Sec-Fetch-Site': 'same-origin',
        }),
      },
    });
  }

  /** Of each presentation: its user agent, by which its events are counted at the end, and what they may be. */
  const counted: { readonly userAgent: string; readonly what: string; readonly most: number }[] = [];
  const beyond = (written: number, most: number) => (written > most ? { written, most } : null);

  it('has a request here for every operation of the OpenAPI document, wherever it reads a token', () => {
    expect(Object.keys(OPERATIONS).toSorted()).toEqual([...PATHS.keys()].toSorted());
    for (const operation of tokenFields) expect(OPERATIONS[operation]!.places).toContain('body');
  });

  // The bounds are of rows, not of time: a slow machine has more windows, and they count.
  it.each(TOKENS.flatMap((kind) => ROLES.map((role) => [kind, role] as const)))(
    'the %s of the role %s, at every route',
    async (kind, role) => {
      let shared: Presented | undefined;
      for (const [operation, { places = ['bearer'] as const }] of Object.entries(OPERATIONS)) {
        for (const place of places) {
          const ofOne = boundOf(operation, kind, role, place, 0);
          const writes = ofOne.events + ofOne.revocations > 0;
          const presented =
            writes || kind === 'live access token' ? await mint(kind, role) : (shared ??= await mint(kind, role));
          const userAgent = `${operation} ${place} ${randomUUID()}`;
          const from = newIp();
          const before = await countOf();
          const started = performance.now();
          const times = writes ? Math.min(ofOne.events + FEW, MOST) : FEW;
          for (let left = times; left > 0; left -= AT_ONCE)
            await Promise.all(
              Array.from({ length: Math.min(AT_ONCE, left) }, () =>
                present(operation, place, presented, from, userAgent),
              ),
            );
          const seconds = (performance.now() - started) / 1000;
          const after = await countOf();
          const bound = boundOf(operation, kind, role, place, seconds);
          expect(beyond(after.revocations - before.revocations, bound.revocations)).toBeNull();
          expect(beyond(after.sessions - before.sessions, bound.sessions)).toBeNull();
          // Only a bound that so many presentations could exceed says anything.
          if (writes) expect(ofOne.events).toBeLessThan(times * PAIR);
          counted.push({ userAgent, what: `${operation}, ${place}: ${kind}, ${role}`, most: bound.events });
        }
      }
    },
    300_000,
  );

  /** A real change is an administrator's act, and has its record (PCI DSS 4.0.1, 10.2.1.2): so much of each, and no more. */
  const CHANGES: readonly [string, (time: number) => object, Rows][] = [
    ['updateSecurityPolicy', (time) => ({ gracePeriodSeconds: 400 + time }), rows(1, 1)],
    ['rotateUserTokens', () => ({ reason: 'a test' }), rows(PAIR, 1)],
    ['updateUser', (time) => ({ roles: time % 2 === 0 ? ['user', 'auditor'] : ['user'] }), rows(1, 1)],
    ['updateUser', (time) => ({ isActive: time % 2 === 1 }), rows(3, 1)],
    // The second one refuses the administrator's own token.
    ['rotateAllTokens', () => ({ reason: 'a test', mode: 'migrate', gracePeriodSeconds: 3600 }), rows(PAIR, 1)],
  ];
  it.each(CHANGES)(
    'of an administrator writes, with each real change, its record: %s',
    async (operation, body, each) => {
      const { token, otherUser } = await mint('live access token', 'admin');
      const [userAgent, from, path] = [`${operation} ${randomUUID()}`, newIp(), PATHS.get(operation)!];
      const before = await countOf();
      for (let time = 0; time < TURNS; time++)
        await app.request(METHODS.get(operation)!, path.replace('{id}', otherUser), {
          body: body(time),
          bearer: token,
          headers: { 'User-Agent': userAgent, 'X-Forwarded-For': from },
        });
      const after = await countOf();
      expect(after.revocations).toBeGreaterThan(before.revocations);
      expect(beyond(after.revocations - before.revocations, each.revocations * TURNS)).toBeNull();
      expect(after.sessions).toBe(before.sessions);
      counted.push({ userAgent, what: `a change by ${operation}`, most: each.events * TURNS });
    },
  );

  // Seen red without the limits of log-outs, and with every denial, wait and refused change recorded.
  it('writes no more events than the limits say, counted when the last of them is stored', async () => {
    await app.close();
    const found: { user_agent: string; written: number }[] = await (
      await database.connect(1)
    ).query('SELECT user_agent, count(*)::int AS written FROM auth_events GROUP BY user_agent');
    const written = new Map(found.map((row) => [row.user_agent, row.written]));
    expect(counted.filter(({ most }) => most > 0).length).toBeGreaterThan(10);
    const excess = counted.flatMap(({ userAgent, what, most }) => {
      const too = beyond(written.get(userAgent) ?? 0, most);
      return too === null ? [] : [{ what, ...too }];
    });
    expect(excess).toEqual([]);
    // Each of those bounds was reached for: what was presented has written.
    expect(
      counted.filter(({ userAgent, most }) => most > 0 && !written.has(userAgent)).map(({ what }) => what),
    ).toEqual([]);
  });
});
