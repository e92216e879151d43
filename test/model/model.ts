import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import type { CutOffMode } from '../../src';
import { Device } from '../support/dpop';
import { type Driver, LIMITS, type Pair, type Refreshed, type User } from './driver';

/*
 * What the documents promise of a session, played by clients, thieves and administrators, and kept in a second book. The
 * book knows neither digests nor statements: a session is its list of tokens, and what may be done with each.
 */

interface Stamps {
  readonly user: number;
  readonly global: number;
}

interface Access {
  readonly token: string;
  readonly stamps: Stamps;
  readonly expiresAt: number;
}

/** What the row of a session knows beside its end. */
interface ModelRow {
  /** By generation, up to the row's own. */
  readonly tokens: readonly string[];
  readonly idleLimit: number;
  readonly stamps: Stamps;
  readonly rotatedAt: number;
  /** Of the last rotation. */
  readonly key: string | undefined;
  readonly keyed: boolean;
  readonly replays: number;
}

/** A row that was committed, which a failover may bring back. */
interface Committed {
  readonly at: number;
  readonly row: ModelRow;
  readonly stored: unknown;
}

/** A token and its place. */
interface Held {
  readonly at: number;
  readonly token: string;
}

interface ModelSession {
  readonly id: string;
  readonly owner: ModelUser;
  readonly absoluteLimit: number;
  row: ModelRow;
  /** By generation; a failover takes the last ones away. */
  committed: Committed[];
  /** `quietly`, no guard learns of it: for versions that they refuse by themselves, and outside of an epoch. */
  ended: { readonly at: number; readonly reuse: boolean; readonly quietly?: boolean } | null;
  access: Access[];
  lastPair: Pair;
  /** Where the client's store stands, and the key of the refresh whose answer it has not seen. */
  client: { held: Held; readonly usesKeys: boolean; pending: string | undefined };
  /** Whose key the session is bound to. */
  readonly device: Device | undefined;
  thief: { held: Held; readonly device: Device | undefined } | null;
  /** Nobody but the client has ever used it, and the client by the rule. */
  honest: boolean;
}

interface ModelUser {
  readonly user: User;
  password: string;
  floor: number;
}

/** What one presentation must be answered. */
type Expected =
  | { readonly kind: 'rotation' }
  | { readonly kind: 'adoption' }
  | { readonly kind: 'replay'; readonly door: 'window' | 'key' | 'bound' }
  | { readonly kind: 'no'; readonly reason: string; readonly ends?: 'reuse' | 'versions' };

class Model {
  now = 0;
  recoveryUntil = 0;
  readonly users: ModelUser[] = [];
  readonly sessions: ModelSession[] = [];
  policy: { version: number; mode: CutOffMode; graceEndsAt: number | null };

  constructor(version: number) {
    this.policy = { version, mode: 'immediate', graceEndsAt: null };
  }

  honours({ user, global }: Stamps, owner: ModelUser): boolean {
    const { version, mode, graceEndsAt } = this.policy;
    const inGrace = mode !== 'immediate' && graceEndsAt !== null && this.now <= graceEndsAt;
    return user >= owner.floor && (global >= version || (inGrace && global === version - 1));
  }

  admits(session: ModelSession, access: Access, driver: Driver): boolean {
    const expired = driver.agesAccessTokens && this.now >= access.expiresAt;
    const { ended } = session;
    return (ended === null || ended.quietly === true) && !expired && this.honours(access.stamps, session.owner);
  }

  isGone = ({ absoluteLimit }: ModelSession): boolean => absoluteLimit + LIMITS.retentionSeconds < this.now;

  isLive = ({ ended, row }: ModelSession): boolean => ended === null && this.now < row.idleLimit;

  isRecovering = (): boolean => this.now < this.recoveryUntil;

  /** The table of the protocol, as a client reads it. */
  expect(session: ModelSession, { at, token }: Held, key: string | undefined, device: Device | undefined): Expected {
    if (this.isGone(session)) return { kind: 'no', reason: 'token_invalid' };
    if (device !== session.device) return { kind: 'no', reason: 'proof_required' };
    const { row } = session;
    const behind = row.tokens.length - 1 - at;
    const inWindow = this.now - row.rotatedAt < LIMITS.windowSeconds;
    const reuse = { kind: 'no', reason: 'token_revoked', ends: 'reuse' } as const;
    const forgery = { kind: 'no', reason: 'token_invalid' } as const;
    const otherBranch = (behind === 0 || behind === 1) && row.tokens[at] !== token;
    if (behind < 0 && (behind < -MOST_LOST || !this.isRecovering())) return forgery;
    if (behind === 0 && otherBranch && !this.isRecovering()) return forgery;
    if (session.ended !== null) return { kind: 'no', reason: 'token_revoked' };
    if (otherBranch) return this.isRecovering() ? reuse : forgery;
    let door: 'window' | 'key' | 'bound' | null = null;
    if (behind > 1) return reuse;
    if (behind === 1 && session.device !== undefined) {
      door = 'bound';
    } else if (behind === 1 && row.keyed) {
      if (key === undefined || key !== row.key) return inWindow ? { kind: 'no', reason: 'replay_refused' } : reuse;
      door = 'key';
    } else if (behind === 1) {
      if (!inWindow) return reuse;
      if (row.replays >= LIMITS.maxReplays) return { kind: 'no', reason: 'too_many_replays' };
      door = 'window';
    }
    if (this.now >= row.idleLimit) return { kind: 'no', reason: 'token_expired' };
    if (!this.honours(row.stamps, session.owner)) {
      return { kind: 'no', reason: 'token_version_rejected', ends: 'versions' };
    }
    if (behind < 0) return { kind: 'adoption' };
    return door === null ? { kind: 'rotation' } : { kind: 'replay', door };
  }

  /** One presentation: what was answered is what the book says, and the book is brought up to date. */
  presented(
    session: ModelSession,
    held: Held,
    key: string | undefined,
    answer: Refreshed,
    device: Device | undefined,
  ): void {
    const expected = this.expect(session, held, key, device);
    if (expected.kind === 'no') {
      expect(answer).toBe(expected.reason);
      if (expected.ends === 'reuse') this.endByReuse(session);
      if (expected.ends === 'versions') session.ended = { at: this.now, reuse: false, quietly: !this.isRecovering() };
      return;
    }
    if (typeof answer === 'string') throw new Error(`Expected a ${expected.kind}, and got ${answer}`);
    expect([answer.sessionId, answer.generation]).toEqual([session.id, held.at + 1]);
    const { row } = session;
    if (expected.kind !== 'replay') this.rotated(session, held, key, answer);
    else {
      // Never a fork: the identical successor, whoever asks and however often.
      expect(answer.refreshToken).toBe(row.tokens[held.at + 1]);
      const replays = row.replays + (expected.door === 'window' ? 1 : 0);
      // The key of a replay through the window is the key of the rotation from then on.
      session.row = { ...row, replays, ...(key !== undefined && { key: row.key ?? key, keyed: true }) };
    }
    this.remember(session, answer);
  }

  open(owner: ModelUser, pair: Pair, usesKeys: boolean, device: Device | undefined): ModelSession {
    const session: ModelSession = {
      id: pair.sessionId,
      owner,
      absoluteLimit: this.now + LIMITS.absoluteTtlSeconds,
      row: {
        tokens: [pair.refreshToken],
        idleLimit: this.now + LIMITS.idleTtlSeconds,
        stamps: { user: owner.floor, global: this.policy.version },
        rotatedAt: -Infinity,
        key: undefined,
        keyed: false,
        replays: 0,
      },
      committed: [],
      ended: null,
      access: [],
      lastPair: pair,
      client: { held: { at: 0, token: pair.refreshToken }, usesKeys, pending: undefined },
      device,
      thief: null,
      honest: true,
    };
    expect(pair.generation).toBe(0);
    this.sessions.push(session);
    this.remember(session, pair);
    return session;
  }

  endAllOf(owner: ModelUser, reuse: boolean): number {
    const own = this.sessions.filter((session) => session.owner === owner && session.ended === null);
    const live = own.filter((session) => this.isLive(session) && this.honours(session.row.stamps, owner)).length;
    owner.floor++;
    // Those too that are past their limit or below a floor: their older tokens are no thefts any more.
    for (const session of own) session.ended = { at: this.now, reuse };
    return live;
  }

  private rotated(session: ModelSession, { at, token }: Held, key: string | undefined, { refreshToken }: Pair): void {
    const { row } = session;
    expect(row.tokens).not.toContain(refreshToken);
    const { version, mode } = this.policy;
    const drained = mode === 'drain' && row.stamps.global < version;
    // Of an adopted token, those that the row has lost are in nobody's way: any of them is older than the next.
    const lost = Array<string>(Math.max(0, at - row.tokens.length)).fill('lost');
    session.row = {
      tokens: [...row.tokens.slice(0, at), ...lost, token, refreshToken],
      stamps: { user: session.owner.floor, global: drained ? row.stamps.global : version },
      idleLimit: Math.min(this.now + LIMITS.idleTtlSeconds, session.absoluteLimit),
      rotatedAt: this.now,
      key,
      keyed: row.keyed || key !== undefined,
      replays: 0,
    };
  }

  private endByReuse(session: ModelSession): void {
    session.ended = { at: this.now, reuse: true };
    const ofTheDay = this.sessions.filter(
      ({ owner, ended, ...rest }) =>
        owner === session.owner &&
        ended?.reuse === true &&
        this.now - ended.at < 24 * 60 * 60 &&
        rest.absoluteLimit + LIMITS.retentionSeconds >= this.now,
    );
    if (ofTheDay.length >= LIMITS.reuseEscalationThreshold) this.endAllOf(session.owner, true);
  }

  private remember(session: ModelSession, pair: Pair): void {
    const { stamps } = session.row;
    const { version, graceEndsAt } = this.policy;
    const graceLimit = stamps.global < version ? (graceEndsAt ?? Infinity) : Infinity;
    session.lastPair = pair;
    session.access = [
      ...session.access.slice(-2),
      {
        token: pair.accessToken,
        stamps,
        expiresAt: Math.min(this.now + LIMITS.accessTokenTtlSeconds, graceLimit),
      },
    ];
  }
}

/** How many generations of a session an epoch makes good. */
const MOST_LOST = 16;

/** Whose tokens are tried after each step that concerns everybody. */
const NEWEST = 4;

/* What the book promises after every step. */

/** Every token of the session, and its last access tokens, count as the book says, in which only the newest is live. */
async function expectToHold(model: Model, driver: Driver, sessions: readonly ModelSession[]): Promise<void> {
  for (const session of sessions.slice(-NEWEST)) {
    const { tokens } = session.row;
    const last = tokens.length - 1;
    const known = [...new Set([0, last - 2, last - 1, last].filter((at) => at >= 0 && tokens[at] !== 'lost'))];
    const held = [session.client.held, ...(session.thief ? [session.thief.held] : [])];
    for (const one of [...known.map((at) => ({ at, token: tokens[at]! })), ...held]) {
      const expected = model.expect(session, one, undefined, session.device);
      const found = await driver.validate(one.token);
      // Asked without a retry key, so of a predecessor only the window's door can open, or that of a bound session.
      expect(found).toBe(expected.kind === 'no' ? expected.reason : Math.max(one.at, last));
    }
    for (const access of session.access) {
      expect([access.token, await driver.admits(access.token)]).toEqual([
        access.token,
        model.admits(session, access, driver),
      ]);
    }
  }
}

async function expectOneEndingEach(model: Model, driver: Driver): Promise<void> {
  const endings = await driver.endings(model.users.map(({ user }) => user));
  expect(endings.filter(({ begun, ended }) => begun !== 1 || ended !== 1)).toEqual([]);
}

/* The steps. */

type Step = fc.AsyncCommand<Model, Driver>;

class Command implements Step {
  constructor(
    private readonly name: string,
    private readonly possible: (model: Model) => boolean,
    private readonly play: (model: Model, driver: Driver) => Promise<readonly ModelSession[]>,
  ) {}

  check(model: Model): boolean {
    return this.possible(model);
  }

  async run(model: Model, driver: Driver): Promise<void> {
    const touched = await this.play(model, driver);
    await expectToHold(model, driver, touched);
    for (const session of touched) await commit(model, driver, session);
  }

  toString(): string {
    return this.name;
  }
}

/** Keeps what the session's row is now, for a failover. */
async function commit(model: Model, driver: Driver, session: ModelSession): Promise<void> {
  const { row } = session;
  if (session.ended !== null || session.committed.at(-1)?.row === row || model.isGone(session)) return;
  session.committed.push({ at: model.now, row, stored: await driver.rowOf(session.id) });
}

const newKey = (): string => randomBytes(24).toString('base64url');
const of = <T>(list: readonly T[], pick: number): T => list[pick % list.length]!;
const hasSession = ({ sessions }: Model): boolean => sessions.length > 0;
/** The newest sessions come first: a picked 0 is the last one opened. */
const sessionOf = ({ sessions }: Model, pick: number): ModelSession => of(sessions.toReversed(), pick);

/**
 * The client's own refresh, by its rule: an unanswered one is sent again with the key that was kept for it. With a password it is
 * a reauthentication, which is the same.
 */
async function refreshAsClient(
  model: Model,
  driver: Driver,
  session: ModelSession,
  answered: boolean,
  password?: string,
): Promise<void> {
  const { client, device } = session;
  const key = client.usesKeys ? (client.pending ?? newKey()) : undefined;
  const { held } = client;
  const expected = model.expect(session, held, key, device);
  const lost = held.at - (session.row.tokens.length - 1);
  const answer = await (password === undefined
    ? driver.refresh(held.token, key, device)
    : driver.reauthenticate(held.token, password, key, device));
  model.presented(session, held, key, answer, device);
  // Nobody else was there: only time, an administrator or the user may end what a client refreshes by the rule.
  if (session.honest && (client.usesKeys || device !== undefined) && expected.kind === 'no') {
    expect(expected.ends).not.toBe('reuse');
    if (model.isRecovering() && lost > 0 && lost <= MOST_LOST) expect(expected.reason).not.toBe('token_invalid');
  }
  if (!answered) {
    client.pending = key;
  } else if (typeof answer !== 'string') {
    client.held = heldOf(answer);
    client.pending = undefined;
  }
}

const heldOf = ({ generation, refreshToken }: Pair): Held => ({ at: generation, token: refreshToken });

/** The row is again what it was some commits ago. What ended is ended again, as the documents say. */
async function lose(model: Model, driver: Driver, session: ModelSession, commits: number): Promise<void> {
  const { committed } = session;
  if (session.ended !== null || model.isGone(session) || committed.length < 2) return;
  committed.splice(Math.max(1, committed.length - commits));
  const { at, row, stored } = committed.at(-1)!;
  await driver.putBack(session.id, stored, model.now - at);
  session.row = row;
}

const user = fc.nat(1);
const pick = fc.nat(5);
const graces = fc.constantFrom(1500, 4500);

/** What clients and thieves do. */
const uses: readonly fc.Arbitrary<Step>[] = [
  fc.tuple(user, fc.constantFrom('without keys', 'with keys', 'bound')).map(
    ([who, how]) =>
      new Command(
        `log in (user ${who}, ${how})`,
        () => true,
        async (model, driver) => {
          const owner = of(model.users, who);
          const device = how === 'bound' ? new Device() : undefined;
          const pair = await driver.logIn(owner.user, owner.password, device);
          return [model.open(owner, pair, how === 'with keys', device)];
        },
      ),
  ),
  ...[1, 2, 3].map(() =>
    pick.map(
      (at) =>
        new Command(`refresh (${at})`, hasSession, async (model, driver) => {
          const session = sessionOf(model, at);
          await refreshAsClient(model, driver, session, true);
          return [session];
        }),
    ),
  ),
  pick.map(
    (at) =>
      new Command(`refresh and lose the response (${at})`, hasSession, async (model, driver) => {
        const session = sessionOf(model, at);
        await refreshAsClient(model, driver, session, false);
        return [session];
      }),
  ),
  fc.tuple(pick, fc.boolean()).map(
    ([at, answered]) =>
      new Command(
        `prove the password again (${at}${answered ? '' : ', and lose the response'})`,
        hasSession,
        async (model, driver) => {
          const session = sessionOf(model, at);
          await refreshAsClient(model, driver, session, answered, session.owner.password);
          return [session];
        },
      ),
  ),
  pick.map(
    (at) =>
      new Command(`a wrong password (${at})`, hasSession, async (model, driver) => {
        const session = sessionOf(model, at);
        const { device } = session;
        const { held, usesKeys } = session.client;
        const key = usesKeys ? newKey() : undefined;
        // A dead token is not asked for a password; what is asked for one changes nothing.
        if (model.expect(session, held, key, device).kind === 'no') return [];
        expect(await driver.reauthenticate(held.token, 'not the passphrase', key, device)).toBe('invalid_credentials');
        return [session];
      }),
  ),
  fc.tuple(pick, fc.constantFrom('shared', 'own')).map(
    ([at, keys]) =>
      new Command(`refresh in two tabs (${at}, ${keys} keys)`, hasSession, async (model, driver) => {
        const session = sessionOf(model, at);
        const { client, device } = session;
        const { held } = client;
        const shared = client.usesKeys ? (client.pending ?? newKey()) : undefined;
        const own = keys === 'own' && client.usesKeys ? newKey() : shared;
        if (own !== shared) session.honest = false; // against the rule
        const send = async (key: string | undefined) => ({
          key,
          answer: await driver.refresh(held.token, key, device),
        });
        const [one, other] = await Promise.all([send(shared), send(own)]);
        // In the order that explains both, if there is one: of two that are over, the theft comes first.
        const isTheft = ({ key }: { key: string | undefined }) =>
          Number(model.expect(session, held, key, device).kind === 'no');
        const inOrder = [one, other].sort((a, b) => placeOf(a.answer) - placeOf(b.answer) || isTheft(b) - isTheft(a));
        for (const { key, answer } of inOrder) model.presented(session, held, key, answer, device);
        const granted = [one, other].map(({ answer }) => answer).find((answer) => typeof answer !== 'string');
        if (granted !== undefined) {
          client.held = heldOf(granted);
          client.pending = undefined;
        }
        return [session];
      }),
  ),
  fc.tuple(pick, fc.boolean()).map(
    ([at, withDevice]) =>
      new Command(`steal (${at}${withDevice ? ', with the key of the device' : ''})`, hasSession, async (model) => {
        const session = sessionOf(model, at);
        const device = withDevice ? session.device : undefined;
        session.thief = { held: session.client.held, device };
        // The token of a bound session is worth nothing without the key: its owner is as good as alone.
        if (device === session.device) session.honest = false;
        return [];
      }),
  ),
  ...[1, 2].map(() =>
    fc.tuple(pick, fc.boolean()).map(
      ([at, withKey]) =>
        new Command(
          `the thief refreshes (${at}${withKey ? ', with a key' : ''})`,
          ({ sessions }) => sessions.some(({ thief }) => thief !== null),
          async (model, driver) => {
            const session = of(
              model.sessions.filter(({ thief }) => thief !== null),
              at,
            );
            const { held, device } = session.thief!;
            const key = withKey ? newKey() : undefined;
            const answer = await driver.refresh(held.token, key, device);
            model.presented(session, held, key, answer, device);
            if (typeof answer !== 'string') session.thief = { held: heldOf(answer), device };
            return [session];
          },
        ),
    ),
  ),
  pick.map(
    (at) =>
      new Command(
        `retry the last rotation with its key (${at})`,
        ({ sessions }) => sessions.some(({ row }) => row.key !== undefined),
        async (model, driver) => {
          const session = of(
            model.sessions.filter(({ row }) => row.key !== undefined),
            at,
          );
          const { tokens, key } = session.row;
          const held = { at: tokens.length - 2, token: tokens.at(-2)! };
          const answer = await driver.refresh(held.token, key, session.device);
          model.presented(session, held, key, answer, session.device);
          return [session];
        },
      ),
  ),
];

const passes = (...amounts: number[]): fc.Arbitrary<Step> =>
  fc.constantFrom(...amounts).map(
    (seconds) =>
      new Command(
        `${seconds} s pass`,
        () => true,
        async (model, driver) => {
          await driver.pass(
            seconds,
            model.sessions.map(({ id }) => id),
          );
          model.now += seconds;
          return model.sessions;
        },
      ),
  );

/** What ends sessions, or changes how they end. */
const endings: readonly fc.Arbitrary<Step>[] = [
  fc.tuple(pick, fc.boolean()).map(
    ([at, old]) =>
      new Command(`log out (${at}${old ? ', by the first token' : ''})`, hasSession, async (model, driver) => {
        const session = sessionOf(model, at);
        const { tokens } = session.row;
        await driver.logOut(old && tokens[0] !== 'lost' ? tokens[0]! : session.client.held.token);
        if (!model.isGone(session)) session.ended ??= { at: model.now, reuse: false };
        return [session];
      }),
  ),
  pick.map(
    (at) =>
      new Command(
        `log out everywhere (${at})`,
        (model) => hasSession(model),
        async (model, driver) => {
          const session = sessionOf(model, at);
          if (!model.admits(session, session.access.at(-1)!, driver)) return [];
          const ended = await driver.logOutEverywhere(session.owner.user, session.lastPair);
          expect(ended).toBe(model.endAllOf(session.owner, false));
          return model.sessions;
        },
      ),
  ),
  pick.map(
    (at) =>
      new Command(`change the password (${at})`, hasSession, async (model, driver) => {
        const session = sessionOf(model, at);
        // What asks must be honoured, as its access token and as its row, and still be there.
        if (model.isGone(session) || !model.admits(session, session.access.at(-1)!, driver)) return [];
        if (!model.honours(session.row.stamps, session.owner)) return [];
        const { owner } = session;
        const next = `passphrase ${newKey()}`;
        const pair = await driver.changePassword(owner.user, session.lastPair, owner.password, next);
        owner.password = next;
        model.endAllOf(owner, false);
        model.open(owner, pair, session.client.usesKeys, session.device);
        return model.sessions;
      }),
  ),
  user.map(
    (who) =>
      new Command(
        `raise the floor of user ${who}`,
        () => true,
        async (model, driver) => {
          const owner = of(model.users, who);
          await driver.raiseUserFloor(owner.user);
          owner.floor++;
          return model.sessions;
        },
      ),
  ),
  fc.tuple(fc.constantFrom<CutOffMode>('immediate', 'drain', 'migrate'), graces).map(
    ([mode, graceSeconds]) =>
      new Command(
        `raise the global floor (${mode}${mode === 'immediate' ? '' : `, ${graceSeconds} s`})`,
        () => true,
        async (model, driver) => {
          const grace = mode === 'immediate' ? null : graceSeconds;
          await driver.raiseGlobalFloor(mode, grace);
          model.policy = {
            version: model.policy.version + 1,
            mode,
            graceEndsAt: grace === null ? null : model.now + grace,
          };
          return model.sessions;
        },
      ),
  ),
  passes(1000, 1000, 2000),
  passes(2000, 5000, 700_000, 3_000_000),
  fc.constant(
    // What is validated after it was promised before it: a clean-up changes no answer.
    new Command(
      'clean up',
      () => true,
      async (model, driver) => {
        await driver.cleanUp();
        return model.sessions;
      },
    ),
  ),
];

const failovers: readonly fc.Arbitrary<Step>[] = [
  fc.constantFrom(0, 100_500, 600_500).map(
    (seconds) =>
      new Command(
        seconds === 0 ? 'end the recovery epoch' : `a recovery epoch of ${seconds} s`,
        () => true,
        async (model, driver) => {
          await driver.moveRecovery(seconds);
          model.recoveryUntil = model.now + seconds;
          return model.sessions;
        },
      ),
  ),
  ...[1, 2].map(() =>
    fc
      .tuple(fc.array(fc.tuple(pick, fc.integer({ min: 1, max: 6 })), { minLength: 1, maxLength: 3 }), fc.boolean())
      .map(
        ([losses, declared]) =>
          new Command(
            `a failover that loses ${losses.map(([at, commits]) => `${commits} commits of (${at})`).join(', ')}${declared ? ', and an epoch' : ''}`,
            hasSession,
            async (model, driver) => {
              if (declared) {
                await driver.moveRecovery(600_500);
                model.recoveryUntil = model.now + 600_500;
              }
              for (const [at, commits] of losses) await lose(model, driver, sessionOf(model, at), commits);
              return model.sessions;
            },
          ),
      ),
  ),
];

/** Everything. */
const STEPS = [...uses, ...endings, ...failovers];
/** Clients, thieves and failovers alone: sessions live long, and lose many commits. */
export const FAILOVER_STEPS = [...uses, ...uses, ...failovers, passes(1000, 2000, 5000)];

/** Of two answers at once: a rotation comes first, what touches nothing before what ends the session, and the rest last. */
const placeOf = (answer: Refreshed): number =>
  typeof answer !== 'string'
    ? 0
    : /^(replay_refused|too_many_replays)$/.test(answer)
      ? 1
      : answer === 'token_revoked'
        ? 3
        : 2;

/** Plays `numRuns` sequences of up to `maxCommands` steps, each with two users of its own. */
export async function expectModelToHold(
  make: () => Promise<Driver>,
  parameters: fc.Parameters<[Iterable<Step>]> & { numRuns: number },
  maxCommands: number,
  steps: readonly fc.Arbitrary<Step>[] = STEPS,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.commands([...steps], { maxCommands, size: 'max' }), async (commands) => {
      const driver = await make();
      try {
        const model = new Model(await driver.globalFloor());
        await driver.moveRecovery(0);
        for (let count = 0; count < 2; count++) {
          model.users.push({ user: await driver.openAccount(), password: PASSWORD, floor: 1 });
        }
        await fc.asyncModelRun(() => ({ model, real: driver }), commands);
        await expectToHold(model, driver, model.sessions);
        await expectOneEndingEach(model, driver);
      } finally {
        await driver.close();
      }
    }),
    parameters,
  );
}

export const PASSWORD = 'a long enough passphrase';

/** What an owner and a thief do after the thief has copied the token, in an epoch, with failovers in between. */
const branches = fc.record({
  before: fc.nat(2),
  /** Refreshes of the owner that the first failover loses, all of them or but one. */
  owners: fc.integer({ min: 1, max: 8 }),
  thiefs: fc.integer({ min: 1, max: 8 }),
  /** Whether a second failover takes the last commit of the last client. */
  again: fc.boolean(),
  ownerFirst: fc.boolean(),
});

/**
 * In an epoch a copied token can have two branches: the owner's, whose commits a failover has lost, and a thief's. A
 * holder who is level or behind ends the session, so it ends before both have been there twice.
 */
export async function expectBranchesToEnd(
  make: () => Promise<Driver>,
  parameters: fc.Parameters<[object]> & { numRuns: number },
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(branches, async ({ before, owners, thiefs, again, ownerFirst }) => {
      const driver = await make();
      try {
        const user = await driver.openAccount();
        await driver.moveRecovery(100_500);
        const { refreshToken: first, sessionId } = await driver.logIn(user, PASSWORD);
        const use = async (token: string, times: number): Promise<{ token: string; no: string | null }> => {
          for (let time = 0; time < times; time++) {
            const answer = await driver.refresh(token, newKey());
            if (typeof answer === 'string') return { token, no: answer };
            token = answer.refreshToken;
          }
          return { token, no: null };
        };
        const copied = (await use(first, before)).token;

        const row = await driver.rowOf(sessionId);
        const owner = await use(copied, owners);
        await driver.putBack(sessionId, row, 0);
        const thief = await use(copied, thiefs - 1);
        const beforeLast = await driver.rowOf(sessionId);
        thief.token = (await use(thief.token, 1)).token;
        if (again) await driver.putBack(sessionId, beforeLast, 0);

        let ended = false;
        for (const one of ownerFirst ? [owner, thief, owner] : [thief, owner, thief]) {
          const { token, no } = await use(one.token, 1);
          if (ended || no !== null) expect(no).toBe('token_revoked');
          ended ||= no !== null;
          one.token = token;
        }
        expect(ended).toBe(true);
        for (const { token } of [owner, thief]) expect((await use(token, 1)).no).toBe('token_revoked');
      } finally {
        await driver.close();
      }
    }),
    parameters,
  );
}
