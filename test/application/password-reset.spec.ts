import { randomUUID } from 'node:crypto';
import { CommandBus } from '@nestjs/cqrs';
import {
  AccessTokenAuthenticator,
  AuthEventLog,
  AuthEvents,
  AuthOptions,
  Clock,
  FactorChangedCommand,
  HostUsers,
  IssueResetTicketCommand,
  LogInCommand,
  LogOutEverywhereCommand,
  Overloaded,
  PasswordHasher,
  RefreshAccessTokenCommand,
  ResetPasswordCommand,
  SecurityPolicyRepository,
  SessionRepository,
  SetUserActiveCommand,
  type TokenPair,
} from '../../src';
import { type ResetTicket, ResetTicketSeal } from '../../src/auth/domain/reset-ticket';
import { Seal } from '../../src/auth/domain/seal';
import { NotRecorded } from '../../src/support/overloaded';
import { intercept } from '../http/support/intercept';
import { gate } from '../support/gate';
import { granted, refusedFor } from '../support/result';
import { until } from '../support/until';
import { type Place, PLACES } from './places';

const NEXT = 'another long passphrase';
const CLIENT = { ip: '192.0.2.9', userAgent: 'a browser' };
const INVALID = { kind: 'reset_ticket_invalid' };

describe.each(PLACES)('%s,', (_, start) => {
  let place: Place;
  let account: { id: string; email: string; password: string };
  beforeAll(async () => {
    place = await start();
  });
  afterAll(() => place.close());
  beforeEach(async () => {
    account = await place.openAccount();
  });

  const part = <T>(type: abstract new (...args: never[]) => T): T => place.app.get<T>(type, { strict: false });
  const send: CommandBus['execute'] = (command: never) => {
    place.tick(); // so that the trail has an order
    return part(CommandBus).execute(command);
  };
  const issue = async () => granted(await send(new IssueResetTicketCommand(account.id, CLIENT)));
  const reset = (ticket: string, next = NEXT) => send(new ResetPasswordCommand(ticket, next, CLIENT));
  const logIn = (known = account.password) => send(new LogInCommand(account.email, known));
  const refresh = (pair: TokenPair) => send(new RefreshAccessTokenCommand(pair.refreshToken));
  const principalOf = ({ accessToken }: TokenPair) => part(AccessTokenAuthenticator).authenticate(accessToken);
  const floor = async () => (await part(SecurityPolicyRepository).floorsOf(account.id)).floors.userMinTokenVersion;
  const trail = async (types: RegExp) =>
    (await part(AuthEventLog).find({ userId: account.id }, 200, undefined, 'oldest first')).items
      .filter(({ type }) => types.test(type))
      .map(({ type, reason, details }) => [type.slice(5, -3), ...(reason === null ? [] : [reason]), details]);
  const atHash = (before: () => Promise<void>) =>
    intercept({ app: place.app as never }, PasswordHasher, 'hash', async (proceed) => before().then(proceed));
  /** The same ticket, resealed with changes by the holder of the keys. */
  const resealed = (text: string, changes: Partial<ResetTicket>) => {
    const seal = part(ResetTicketSeal);
    return seal.seal({ ...seal.open(text)!, ...changes });
  };

  describe('a reset of the password', () => {
    it('ends the old password, every session and every ticket, and opens no session', async () => {
      const [one, other] = [granted(await logIn()), granted(await logIn())];
      await until(() => principalOf(one) !== null);
      const [earlier, ticket] = [await issue(), await issue()];
      expect(ticket).toMatch(/^ot1_/);

      expect(await reset(ticket)).toEqual({ ok: true, value: undefined });

      for (const pair of [one, other]) {
        expect(refusedFor(await refresh(pair))).toEqual({ kind: 'refused', reason: 'token_revoked' });
        await until(() => principalOf(pair) === null);
      }
      expect(await part(SessionRepository).countLiveOfUser(account.id)).toBe(0);
      for (const dead of [earlier, ticket]) expect(refusedFor(await reset(dead))).toEqual(INVALID);
      expect(refusedFor(await logIn())).toBe('invalid_credentials');
      expect(granted(await logIn(NEXT))).toMatchObject({ generation: 0 });
      expect(await floor()).toBe(2);
      await until(async () => (await part(SessionRepository).findById(one.sessionId))?.revokedReason !== null);
      expect(await part(SessionRepository).findById(one.sessionId)).toMatchObject({ revokedReason: 'password_reset' });
      expect(await trail(/^auth\.(password_reset|sessions)\./)).toEqual([
        ['password_reset.issued', {}],
        ['password_reset.issued', {}],
        ['password_reset.attempted', {}],
        ['sessions.all_revoked', 'password_reset', { revokedSessions: 2 }],
        ['password_reset.succeeded', { revokedSessions: 2 }],
        ...Array.from({ length: 2 }, () => [
          ['password_reset.attempted', {}],
          ['password_reset.failed', 'reset_ticket_invalid', { evidence: 'used' }],
        ]).flat(),
      ]);
    });

    it('is possible again and again, each time by a new ticket', async () => {
      for (const next of [NEXT, `${NEXT}, again`, `${NEXT}, at last`]) granted(await reset(await issue(), next));
      expect(granted(await logIn(`${NEXT}, at last`))).toMatchObject({ generation: 0 });
      expect(await floor()).toBe(4);
    });

    // Seen red without the condition of the raise, in each of the stores.
    it('happens once, however many present a ticket at once', async () => {
      for (const round of [1, 2]) {
        const ticket = await issue();
        const all = gate();
        let arrived = 0;
        // The rest is decided by what commits, and not by who reads first.
        const restore = atHash(async () => {
          if (++arrived === 20) all.open();
          await all.opened;
        });
        const answers = await Promise.all(
          Array.from({ length: 20 }, (_unused, at) => reset(ticket, `${NEXT} ${round}.${at}`)),
        ).finally(restore);
        const winners = answers.flatMap(({ ok }, at) => (ok ? [at] : []));
        expect(winners).toHaveLength(1);
        expect(granted(await logIn(`${NEXT} ${round}.${winners[0]}`))).toMatchObject({ generation: 0 });
        expect(await floor()).toBe(1 + round);
        const endings = (await trail(/^auth\.password_reset\.(succeeded|failed)/)).map(([type]) => type);
        expect(endings.filter((type) => type === 'password_reset.succeeded')).toHaveLength(round);
      }
    });

    // Seen red, each, without its comparison.
    it('is refused in one way to a ticket that is too old, used, changed, of another purpose or of other keys', async () => {
      const { resetTicketTtlSeconds, refreshTokenKeys } = part(AuthOptions);
      const ticket = await issue();
      const opened = part(ResetTicketSeal).open(ticket)!;
      const tooOld = resealed(ticket, {
        issuedAt: new Date(opened.issuedAt.getTime() - resetTicketTtlSeconds * 1000),
      });
      const ahead = resealed(ticket, { floor: 2 });
      const purpose = new Seal('ot1_', 'ratchet ot1 ticket', refreshTokenKeys);
      const junk = [
        purpose.seal(['email_change', account.id, 1, opened.issuedAt.getTime()]),
        new ResetTicketSeal([{ id: 0, root: Buffer.alloc(32, 9) }]).seal(opened),
        `${ticket}A`,
        'ot1_',
        '',
        undefined as never,
        { ticket } as never,
      ];
      for (const text of [tooOld, ahead, ...junk]) expect(refusedFor(await reset(text))).toEqual(INVALID);
      expect([await floor(), (await logIn()).ok]).toEqual([1, true]);
      expect(await trail(/^auth\.password_reset\.failed/)).toEqual([
        ['password_reset.failed', 'reset_ticket_invalid', { evidence: 'too_old' }],
        ['password_reset.failed', 'reset_ticket_invalid', { evidence: 'used' }],
      ]);
      const recorded = async () =>
        (await part(AuthEventLog).find({ type: 'auth.password_reset.failed.v1' }, 200)).items.filter(
          ({ userId, details }) => userId === null && details.evidence === 'not_sealed_here',
        );
      await until(async () => (await recorded()).length >= junk.length);
      granted(await reset(ticket));
    });

    it('is refused after whatever has raised the floor, and to a user who is gone', async () => {
      const ticket = await issue();
      await send(new LogOutEverywhereCommand(account.id));
      expect(refusedFor(await reset(ticket))).toEqual(INVALID);
      const gone = resealed(ticket, { userId: randomUUID() });
      expect(refusedFor(await reset(gone))).toEqual(INVALID);
      expect(await send(new IssueResetTicketCommand(randomUUID()))).toEqual({ ok: false, reason: 'user_not_found' });
    });

    it('says which rule a bad password breaks, and leaves the ticket valid', async () => {
      const ticket = await issue();
      for (const bad of ['short', 'x'.repeat(65), 'password', 'a\0'.repeat(8), null as never, 7 as never])
        expect(refusedFor(await reset(ticket, bad))).toMatchObject({
          kind: 'invalid',
          path: 'newPassword',
          message: expect.stringMatching(/^newPassword (must|is) /),
        });
      expect(await trail(/^auth\.password_reset\.(attempted|failed)/)).toEqual([]);
      granted(await reset(ticket));
    });

    it('activates nobody', async () => {
      await send(new SetUserActiveCommand(account.id, false));
      granted(await reset(await issue()));
      expect(refusedFor(await logIn(NEXT))).toBe('invalid_credentials');
      await send(new SetUserActiveCommand(account.id, true));
      expect(granted(await logIn(NEXT))).toMatchObject({ generation: 0 });
    });

    // Seen red with a refusal in the place of the fault: the ticket was spent and the password was the old one.
    it('is put off when the stored hash was replaced meanwhile, and the ticket is still valid', async () => {
      const ticket = await issue();
      const { directory } = part(HostUsers);
      const restore = atHash(async () => {
        const user = await directory.findByIdWithPassword!(account.id);
        await directory.replacePasswordHash(account.id, user!.passwordHash, `${user!.passwordHash} `);
      });
      await expect(reset(ticket).finally(restore)).rejects.toThrow(Overloaded);
      expect(await floor()).toBe(1);
      expect(await trail(/^auth\.(password_reset\.(attempted|failed|succeeded)|sessions)/)).toEqual([
        ['password_reset.attempted', {}],
        ['password_reset.failed', 'overloaded', {}],
      ]);
      granted(await reset(ticket));
    });

    it('writes a bounded number of records for one user and for one ticket', async () => {
      const ticket = await issue();
      granted(await reset(ticket));
      const moment = part(Clock).now(); // within one minute
      const restore = intercept({ app: place.app as never }, Clock, 'now', () => moment);
      for (let time = 0; time < 15; time++) await Promise.all([issue(), reset(ticket)]);
      restore();
      // The first one may be of the minute before.
      expect([10, 11]).toContain((await trail(/^auth\.password_reset\.issued/)).length);
      expect(await trail(/^auth\.password_reset\.failed/)).toHaveLength(10);
    });

    it('gives no ticket without its record', async () => {
      const restore = intercept({ app: place.app as never }, AuthEvents, 'recordUpTo', async () => {
        throw new NotRecorded('connection lost');
      });
      await expect(issue().finally(restore)).rejects.toThrow(Overloaded);
    });
  });

  describe('a changed factor', () => {
    it('ends every session, at once and with the access tokens, or all except one', async () => {
      const [one, other] = [granted(await logIn()), granted(await logIn())];
      await until(() => principalOf(one) !== null);
      expect(await send(new FactorChangedCommand(account.id, 'totp', { except: one.sessionId, client: CLIENT }))).toBe(
        1,
      );
      expect(refusedFor(await refresh(other))).toEqual({ kind: 'refused', reason: 'token_revoked' });
      await until(() => principalOf(other) === null);
      expect(await part(SessionRepository).findById(other.sessionId)).toMatchObject({
        revokedReason: 'factor_changed',
      });
      expect([principalOf(one) === null, await floor()]).toEqual([false, 1]);

      expect(await send(new FactorChangedCommand(account.id, 'passkey'))).toBe(1);
      expect(refusedFor(await refresh(one))).toEqual({ kind: 'refused', reason: 'token_revoked' });
      await until(() => principalOf(one) === null);
      expect(await floor()).toBe(2);
      expect(await trail(/^auth\.user\.factor_changed/)).toEqual([
        ['user.factor_changed', { kind: 'totp' }],
        ['user.factor_changed', { kind: 'passkey' }],
      ]);
      expect(await trail(/^auth\.sessions/)).toEqual([
        [
          'sessions.all_revoked',
          'factor_changed',
          { revokedSessions: 1, exceptSessionId: one.sessionId, throughSessionId: other.sessionId },
        ],
        ['sessions.all_revoked', 'factor_changed', { revokedSessions: 1 }],
      ]);
    });

    it('is recorded when there is nothing to end', async () => {
      expect(await send(new FactorChangedCommand(account.id, 'totp', { except: randomUUID() }))).toBe(0);
      expect(await send(new FactorChangedCommand(account.id, 'totp'))).toBe(0);
      expect(await trail(/^auth\.user\.factor_changed/)).toHaveLength(2);
    });
  });
});
