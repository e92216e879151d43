import { hash } from 'bcrypt';
import { PasswordHasher, SecurityPolicyRepository } from '../../src';
import { BcryptPasswordHasher } from '../../src/auth/infrastructure/bcrypt/bcrypt-password-hasher';
import { type Answer, type Json, startTestApplication, type TestApplication } from '../support/app/test-application';
import { gate } from '../support/gate';
import {
  asAdmin,
  changePassword,
  policyOf,
  resetPassword,
  rotateAll,
  rotateUser,
  statusOfMe,
} from './support/administration';
import { intercept } from './support/intercept';
import { rowOf, userFloorOf } from './support/sessions';

/** Hashing takes a while, and a lot can happen in it. This one stops there until a test lets it go on. */
class PausingHasher extends BcryptPasswordHasher {
  private pause: { what: 'hash' | 'verify'; callers: number; reached: () => void; over: Promise<void> } | undefined;

  /** Holds the next `callers` of `what` when they have their result. */
  hold(what: 'hash' | 'verify', callers = 1): { reached: Promise<void>; release: () => void } {
    const [reached, over] = [gate(), gate()];
    this.pause = { what, callers, reached: reached.open, over: over.opened };
    return { reached: reached.opened, release: over.open };
  }

  override async verify(password: string, stored: string | null): Promise<boolean> {
    const result = await super.verify(password, stored);
    await this.pauseAt('verify');
    return result;
  }

  override async hash(password: string): Promise<string> {
    const result = await super.hash(password);
    await this.pauseAt('hash');
    return result;
  }

  private async pauseAt(what: 'hash' | 'verify'): Promise<void> {
    const { pause } = this;
    if (pause?.what !== what || pause.callers === 0) return;
    if (--pause.callers === 0) pause.reached();
    await pause.over;
  }
}

type Account = Awaited<ReturnType<TestApplication['register']>>;

const NEXT = 'another long passphrase';

describe('While a password is hashed', () => {
  let app: TestApplication;
  let hasher: PausingHasher;
  let account: Account;
  let pair: Json;

  beforeAll(async () => {
    app = await startTestApplication({
      env: { BCRYPT_COST: '5' },
      overrides: (module) => module.overrideProvider(PasswordHasher).useClass(PausingHasher),
    });
    hasher = app.app.get(PasswordHasher);
  });
  afterAll(() => app.close());
  beforeEach(async () => {
    account = await app.register();
    pair = (await app.logIn(account)).body;
  });

  const expectDead = async ({ accessToken, refreshToken }: Json) => {
    expect(await statusOfMe(app, accessToken)).toBe(401);
    expect(await app.refresh(refreshToken)).toMatchObject({ status: 401 });
  };
  const expectAlive = async ({ accessToken, refreshToken }: Json) => {
    expect(await statusOfMe(app, accessToken)).toBe(200);
    expect(await app.refresh(refreshToken)).toMatchObject({ status: 200 });
  };
  /** The account's sessions that both floors would let in, whatever else is against them. */
  const honoured = async (): Promise<string[]> => {
    const rows = await app.query(
      `SELECT sessions.id FROM sessions LEFT JOIN user_token_versions USING (user_id), security_policy
        WHERE user_id = $1 AND revoked_at IS NULL
          AND token_version >= COALESCE(min_token_version, 1) AND global_version_at_issuance >= global_min_token_version`,
      [account.id],
    );
    return rows.map(({ id }) => id);
  };
  const statusOfLogin = async (password: string) => (await app.logIn({ ...account, password })).status;
  /** What `asked` is answered when `meanwhile` happens after `what` has its result. */
  const during = async (what: 'hash' | 'verify', asked: () => Promise<Answer>, meanwhile: () => Promise<unknown>) => {
    const { reached, release } = hasher.hold(what);
    const asking = asked();
    await reached;
    await meanwhile();
    release();
    return asking;
  };
  const change = (of: Json = pair, from = account, to = NEXT) => changePassword(app, of.accessToken, from, to);

  /** Everything that raises a floor. */
  const raises: [string, () => Promise<unknown>][] = [
    ['a deactivation', () => asAdmin(app, 'PATCH', `/admin/users/${account.id}`, { isActive: false })],
    ['the removal of a role', () => asAdmin(app, 'PATCH', `/admin/users/${account.id}`, { roles: [] })],
    ['a log-out everywhere', () => app.request('POST', '/auth/logout-all', { bearer: pair.accessToken })],
    ['a user rotation', () => rotateUser(app, account.id)],
    ['a global rotation', () => rotateAll(app)],
  ];

  describe('a login', () => {
    // Seen red with the floors read again, after the hash, and with a deactivation that raises none.
    it.each([
      ...raises,
      ['a password change', () => change()] as const,
      ['a reset of the password', () => resetPassword(app, account.id, NEXT)] as const,
    ])('is dead on arrival after %s', async (_what, happens) => {
      const [globalVersion, userVersion] = [
        (await policyOf(app)).global_min_token_version,
        await userFloorOf(app, account.id),
      ];
      const { status, body } = await during('verify', () => app.logIn(account), happens);
      expect(status).toBe(200);
      expect(await rowOf(app, body.sessionId)).toMatchObject({
        token_version: userVersion,
        global_version_at_issuance: globalVersion,
      });
      expect(await honoured()).not.toContain(body.sessionId);
      await expectDead(body);
    });

    // Seen red with the hash of the first look-up: the old password would open a session on the new floor.
    it('is refused when its password is changed while its floors are read', async () => {
      const [reading, over] = [gate(), gate()];
      const restore = intercept(app, SecurityPolicyRepository, 'floorsOf', async (proceed) => {
        restore();
        reading.open();
        await over.opened;
        return proceed();
      });
      const login = app.logIn(account);
      await reading.opened;
      expect((await change()).status).toBe(200);
      over.open();
      expect((await login).status).toBe(401);
    });

    it('with a hash of lower cost stores a costlier one, and the password is the same', async () => {
      const cheap = await hash(account.password, 4);
      await app.query('UPDATE users SET password_hash = $2 WHERE id = $1', [account.id, cheap]);
      expect(await statusOfLogin(account.password)).toBe(200);
      const [row] = await app.query('SELECT password_hash FROM users WHERE id = $1', [account.id]);
      expect(row.password_hash).toMatch(/^\$2b\$05\$/);
      expect(await statusOfLogin(account.password)).toBe(200);
    });

    // Seen red with an unconditional write: the old password is back.
    it('does not undo a password change with its costlier hash of the old password', async () => {
      await app.query('UPDATE users SET password_hash = $2 WHERE id = $1', [
        account.id,
        await hash(account.password, 4),
      ]);
      let changed: Answer | undefined;
      const login = await during(
        'hash',
        () => app.logIn(account),
        async () => {
          changed = await change();
        },
      );
      expect(changed).toMatchObject({ status: 200 });
      expect(login.status).toBe(200);
      expect([await statusOfLogin(account.password), await statusOfLogin(NEXT)]).toEqual([401, 200]);
      await expectDead(login.body);
      await expectAlive(changed!.body);
    });
  });

  describe('a reset', () => {
    const storedHash = async (): Promise<string> =>
      (await app.query('SELECT password_hash FROM users WHERE id = $1', [account.id]))[0].password_hash;
    const reset = () => resetPassword(app, account.id, NEXT);

    // Seen red with the floor compared before the hash is computed, and not by the raise.
    it.each(raises.filter(([what]) => what !== 'a global rotation'))(
      'changes nothing after %s',
      async (_what, happens) => {
        const before = await storedHash();
        const { status } = await during('hash', reset, happens);
        expect([status, await storedHash(), await userFloorOf(app, account.id)]).toEqual([401, before, 2]);
      },
    );

    it('does not undo a password change, nor is undone by one', async () => {
      const { reached, release } = hasher.hold('hash', 2);
      const asking = Promise.all([change(pair, account, 'the first long passphrase'), reset()]);
      await reached;
      release();
      const [changed, { status }] = await asking;
      expect([changed.status, status].toSorted()).toEqual([200, 401]);
      const won = status === 200 ? NEXT : 'the first long passphrase';
      expect([await statusOfLogin(won), await userFloorOf(app, account.id)]).toEqual([200, 2]);
      await expectDead(pair);
    });
  });

  describe('a password change', () => {
    // Seen red without the look at the user's activity: the host has changed that past auth, so that no floor was raised.
    it('is refused to a user who is inactive', async () => {
      await app.query('UPDATE users SET is_active = false WHERE id = $1', [account.id]);
      expect(await change()).toMatchObject({ status: 401, body: { code: 'invalid_credentials' } });
    });

    // Seen red with the floors read again for the new session: it would outlive what came in between.
    it.each(raises)('opens nothing that outlives %s', async (_what, happens) => {
      const { status, body } = await during('hash', () => change(), happens);
      expect([status, await honoured()]).toEqual([200, []]);
      await expectDead(body);
    });

    // Seen red with an unconditional write of the hash.
    it('wins alone over another one at the same time, which is refused as by a wrong password', async () => {
      const passwords = ['the first long passphrase', 'the second long passphrase'];
      const other = (await app.logIn(account)).body;
      const { reached, release } = hasher.hold('hash', 2);
      const asking = [change(pair, account, passwords[0]), change(other, account, passwords[1])];
      await reached;
      release();
      const answers = await Promise.all(asking);

      expect(answers.map(({ status }) => status).sort()).toEqual([200, 401]);
      const won = answers.findIndex(({ status }) => status === 200);
      const lost = answers[1 - won]!;
      expect(lost.body).toMatchObject({ code: 'invalid_credentials', recovery: 'reauthenticate' });
      expect(await Promise.all([...passwords, account.password].map(statusOfLogin))).toEqual(
        [...passwords, account.password].map((_, i) => (i === won ? 200 : 401)),
      );
      expect(await userFloorOf(app, account.id)).toBe(2);
      await expectDead(pair);
      await expectDead(other);
      await expectAlive(answers[won]!.body);

      const endings = (await app.events({ userId: account.id })).filter(({ type }) =>
        /password_change\.(succeeded|failed)/.test(type),
      );
      expect(endings.map(({ type, reason }) => [type, reason]).sort()).toEqual([
        ['auth.password_change.failed.v1', 'wrong_password'],
        ['auth.password_change.succeeded.v1', null],
      ]);
    });
  });
});
