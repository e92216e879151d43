import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import type { CutOffMode } from '../../src';
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

interface ModelSession {
  readonly id: string;
  readonly owner: ModelUser;
  /** By generation. */
  readonly tokens: string[];
  readonly absoluteLimit: number;
  idleLimit: number;
  stamps: Stamps;
  rotatedAt: number;
  /** Of the last rotation. */
  key: string | undefined;
  keyed: boolean;
  replays: number;
  ended: { readonly at: number; readonly reuse: boolean } | null;
  access: Access[];
  lastPair: Pair;
  /** Where the client's store stands, and the key of the refresh whose answer it has not seen. */
  client: { at: number; readonly usesKeys: boolean; pending: string | undefined };
  /** The generation that a thief holds. */
  thief: number | null;
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
  | { readonly kind: 'replay'; readonly door: 'window' | 'key' }
  | { readonly kind: 'no'; readonly reason: string; readonly ends?: 'reuse' | 'versions' };

class Model {
  now = 0;
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
    return session.ended === null && !expired && this.honours(access.stamps, session.owner);
  }

  isGone = ({ absoluteLimit }: ModelSession): boolean => absoluteLimit + LIMITS.retentionSeconds < this.now;

  isLive = ({ ended, idleLimit }: ModelSession): boolean => ended === null && this.now < idleLimit;

  /** The table of the protocol, as a client reads it. */
  expect(session: ModelSession, generation: number, key: string | undefined): Expected {
    if (this.isGone(session)) return { kind: 'no', reason: 'token_invalid' };
    if (session.ended !== null) return { kind: 'no', reason: 'token_revoked' };
    const behind = session.tokens.length - 1 - generation;
    const inWindow = this.now - session.rotatedAt < LIMITS.windowSeconds;
    const reuse = { kind: 'no', reason: 'token_revoked', ends: 'reuse' } as const;
    let door: 'window' | 'key' | null = null;
    if (behind > 1) return reuse;
    if (behind === 1 && session.keyed) {
      if (key === undefined || key !== session.key) return inWindow ? { kind: 'no', reason: 'replay_refused' } : reuse;
      door = 'key';
    } else if (behind === 1) {
      if (!inWindow) return reuse;
      if (session.replays >= LIMITS.maxReplays) return { kind: 'no', reason: 'too_many_replays' };
      door = 'window';
    }
    if (this.now >= session.idleLimit) return { kind: 'no', reason: 'token_expired' };
    if (!this.honours(session.stamps, session.owner)) {
      return { kind: 'no', reason: 'token_version_rejected', ends: 'versions' };
    }
    return door === null ? { kind: 'rotation' } : { kind: 'replay', door };
  }

  /** One presentation: what was answered is what the book says, and the book is brought up to date. */
  presented(session: ModelSession, generation: number, key: string | undefined, answer: Refreshed): void {
    const expected = this.expect(session, generation, key);
    if (expected.kind === 'no') {
      expect(answer).toBe(expected.reason);
      if (expected.ends === 'reuse') this.endByReuse(session);
      if (expected.ends === 'versions') session.ended = { at: this.now, reuse: false };
      return;
    }
    if (typeof answer === 'string') throw new Error(`Expected a ${expected.kind}, and got ${answer}`);
    expect([answer.sessionId, answer.generation]).toEqual([session.id, generation + 1]);
    if (expected.kind === 'rotation') this.rotated(session, key, answer);
    else {
      // Never a fork: the identical successor, whoever asks and however often.
      expect(answer.refreshToken).toBe(session.tokens[generation + 1]);
      if (expected.door === 'window') session.replays++;
      // The key of a replay through the window is the key of the rotation from then on.
      if (key !== undefined) Object.assign(session, { key, keyed: true });
    }
    this.remember(session, answer);
  }

  open(owner: ModelUser, pair: Pair, usesKeys: boolean, floor = owner.floor): ModelSession {
    const session: ModelSession = {
      id: pair.sessionId,
      owner,
      tokens: [pair.refreshToken],
      absoluteLimit: this.now + LIMITS.absoluteTtlSeconds,
      idleLimit: this.now + LIMITS.idleTtlSeconds,
      stamps: { user: floor, global: this.policy.version },
      rotatedAt: -Infinity,
      key: undefined,
      keyed: false,
      replays: 0,
      ended: null,
      access: [],
      lastPair: pair,
      client: { at: 0, usesKeys, pending: undefined },
      thief: null,
      honest: true,
    };
    expect(pair.generation).toBe(0);
    this.sessions.push(session);
    this.remember(session, pair);
    return session;
  }

  endAllOf(owner: ModelUser, reuse: boolean): number {
    owner.floor++;
    const live = this.sessions.filter((session) => session.owner === owner && this.isLive(session));
    for (const session of live) session.ended = { at: this.now, reuse };
    return live.length;
  }

  private rotated(session: ModelSession, key: string | undefined, { refreshToken }: Pair): void {
    expect(session.tokens).not.toContain(refreshToken);
    session.tokens.push(refreshToken);
    const { version, mode } = this.policy;
    const drained = mode === 'drain' && session.stamps.global < version;
    session.stamps = { user: session.owner.floor, global: drained ? session.stamps.global : version };
    session.idleLimit = Math.min(this.now + LIMITS.idleTtlSeconds, session.absoluteLimit);
    session.rotatedAt = this.now;
    session.key = key;
    session.keyed ||= key !== undefined;
    session.replays = 0;
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
    const { stamps } = session;
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

/** Whose tokens are tried after each step that concerns everybody. */
const NEWEST = 4;

/* What the book promises after every step. */

/** Every token of the session, and its last access tokens, count as the book says, in which only the newest is live. */
async function expectToHold(model: Model, driver: Driver, sessions: readonly ModelSession[]): Promise<void> {
  for (const session of sessions.slice(-NEWEST)) {
    const last = session.tokens.length - 1;
    for (const generation of new Set([0, last - 2, last - 1, last].filter((one) => one >= 0))) {
      const expected = model.expect(session, generation, undefined);
      const found = await driver.validate(session.tokens[generation]!);
      // Asked without a key, so of a predecessor only the window's door can open.
      expect(found).toBe(expected.kind === 'no' ? expected.reason : last);
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
    await expectToHold(model, driver, await this.play(model, driver));
  }

  toString(): string {
    return this.name;
  }
}

const newKey = (): string => randomBytes(24).toString('base64url');
const of = <T>(list: readonly T[], pick: number): T => list[pick % list.length]!;
const hasSession = ({ sessions }: Model): boolean => sessions.length > 0;
/** The newest sessions come first: a picked 0 is the last one opened. */
const sessionOf = ({ sessions }: Model, pick: number): ModelSession => of(sessions.toReversed(), pick);

/** The client's own refresh, by its rule: an unanswered one is sent again with the key that was kept for it. */
async function refreshAsClient(model: Model, driver: Driver, session: ModelSession, answered: boolean): Promise<void> {
  const { client } = session;
  const key = client.usesKeys ? (client.pending ?? newKey()) : undefined;
  const before = client.at;
  const expected = model.expect(session, before, key);
  const answer = await driver.refresh(session.tokens[before]!, key);
  model.presented(session, before, key, answer);
  // Nobody else was there: only time, an administrator or the user may end what a client refreshes by the rule.
  if (session.honest && client.usesKeys && expected.kind === 'no') {
    expect(expected.ends).not.toBe('reuse');
  }
  if (!answered) {
    client.pending = key;
  } else if (typeof answer !== 'string') {
    client.at = answer.generation;
    client.pending = undefined;
  }
}

const user = fc.nat(1);
const pick = fc.nat(5);
const graces = fc.constantFrom(1500, 4500);

const steps: readonly fc.Arbitrary<Step>[] = [
  fc.tuple(user, fc.boolean()).map(
    ([who, usesKeys]) =>
      new Command(
        `log in (user ${who}${usesKeys ? ', with keys' : ''})`,
        () => true,
        async (model, driver) => {
          const owner = of(model.users, who);
          return [model.open(owner, await driver.logIn(owner.user, owner.password), usesKeys)];
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
  fc.tuple(pick, fc.constantFrom('shared', 'own')).map(
    ([at, keys]) =>
      new Command(`refresh in two tabs (${at}, ${keys} keys)`, hasSession, async (model, driver) => {
        const session = sessionOf(model, at);
        const { client } = session;
        const generation = client.at;
        const shared = client.usesKeys ? (client.pending ?? newKey()) : undefined;
        const own = keys === 'own' && client.usesKeys ? newKey() : shared;
        if (own !== shared) session.honest = false; // against the rule
        const send = async (key: string | undefined) => ({
          key,
          answer: await driver.refresh(session.tokens[generation]!, key),
        });
        const [one, other] = await Promise.all([send(shared), send(own)]);
        // In the order that explains both, if there is one.
        for (const { key, answer } of [one, other].sort((a, b) => placeOf(a.answer) - placeOf(b.answer))) {
          model.presented(session, generation, key, answer);
        }
        const granted = [one, other].find(({ answer }) => typeof answer !== 'string');
        if (granted !== undefined) {
          client.at = generation + 1;
          client.pending = undefined;
        }
        return [session];
      }),
  ),
  pick.map(
    (at) =>
      new Command(`steal (${at})`, hasSession, async (model) => {
        const session = sessionOf(model, at);
        session.thief = session.client.at;
        session.honest = false;
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
            const generation = session.thief!;
            const key = withKey ? newKey() : undefined;
            const answer = await driver.refresh(session.tokens[generation]!, key);
            model.presented(session, generation, key, answer);
            if (typeof answer !== 'string') session.thief = answer.generation;
            return [session];
          },
        ),
    ),
  ),
  pick.map(
    (at) =>
      new Command(
        `retry the last rotation with its key (${at})`,
        ({ sessions }) => sessions.some(({ key }) => key !== undefined),
        async (model, driver) => {
          const session = of(
            model.sessions.filter(({ key }) => key !== undefined),
            at,
          );
          const generation = session.tokens.length - 2;
          const answer = await driver.refresh(session.tokens[generation]!, session.key);
          model.presented(session, generation, session.key, answer);
          return [session];
        },
      ),
  ),
  fc.tuple(pick, fc.boolean()).map(
    ([at, old]) =>
      new Command(`log out (${at}${old ? ', by the first token' : ''})`, hasSession, async (model, driver) => {
        const session = sessionOf(model, at);
        await driver.logOut(session.tokens.at(old ? 0 : -1)!);
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
        if (!model.honours(session.stamps, session.owner)) return [];
        const { owner } = session;
        const next = `passphrase ${newKey()}`;
        const pair = await driver.changePassword(owner.user, session.lastPair, owner.password, next);
        owner.password = next;
        model.endAllOf(owner, false);
        model.open(owner, pair, session.client.usesKeys);
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
  ...[
    [1000, 1000, 2000],
    [2000, 5000, 700_000, 3_000_000],
  ].map((amounts) =>
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
    ),
  ),
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
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.commands([...steps], { maxCommands, size: 'max' }), async (commands) => {
      const driver = await make();
      try {
        const model = new Model(await driver.globalFloor());
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
