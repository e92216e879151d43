import fc from 'fast-check';
import {
  decideRefresh,
  type Presentation,
  type RefreshDecision,
  type RefreshFacts,
  type RefreshSession,
  type RefreshUser,
  type ReplayRules,
} from '../../src/auth/domain/refresh-decision';

const NOW = new Date('2025-11-20T12:00:00.000Z');
const ago = (seconds: number) => new Date(NOW.getTime() - seconds * 1000);
const ahead = (seconds: number) => ago(-seconds);
const hash = (filler: number) => Buffer.alloc(32, filler);

const GENERATION = 5;
const CURRENT = hash(5);
const PREVIOUS = hash(4);
const OLDER = hash(3);
const FOREIGN = hash(0xee);
const KEY = hash(0xaa);
const OTHER_KEY = hash(0xbb);
const BINDING = { kind: 'dpop', jkt: 'a thumbprint' } as const;

const RULES: ReplayRules = { replayWindowSeconds: 10, maxReplays: 20, retryKeys: true };
const FLOORS: RefreshFacts['floors'] = {
  userMinTokenVersion: 3,
  endedBelow: 2,
  endedReason: 'password_changed',
  globalMinTokenVersion: 7,
  mode: 'immediate',
  graceEndsAt: null,
};
const USER: RefreshUser = { id: 'the user', email: 'ann@example.com', roles: ['user'], isActive: true };
const SESSION: RefreshSession = {
  id: 'the session',
  userId: USER.id,
  generation: GENERATION,
  tokenHash: CURRENT,
  previousTokenHash: PREVIOUS,
  successorNonce: Buffer.alloc(16, 1),
  keyId: 1,
  retryKeyHash: null,
  keyed: false,
  replayCount: 0,
  rotatedAt: ago(3),
  tokenVersion: 3,
  globalVersionAtIssuance: 7,
  delivery: 'body',
  lastUsedAt: ago(3),
  expiresAt: ahead(100),
  absoluteExpiresAt: ahead(1_000),
  revokedAt: null,
  revokedReason: null,
  deviceId: null,
  deviceName: null,
  lastUserAgent: 'agent',
  lastIpAddress: null,
  authTime: null,
  amr: null,
  acr: null,
  claims: null,
  binding: null,
};

const current: Presentation = {
  generation: GENERATION,
  digest: CURRENT,
  retryKeyHash: null,
  delivery: 'body',
  isProven: false,
};
const previous: Presentation = { ...current, generation: GENERATION - 1, digest: PREVIOUS };
const older: Presentation = { ...current, generation: GENERATION - 2, digest: OLDER };

interface Found extends Partial<Omit<RefreshFacts, 'session' | 'floors'>> {
  session?: Partial<RefreshSession>;
  floors?: Partial<RefreshFacts['floors']>;
}

const decide = (
  presented: Presentation,
  { session, floors, user = USER, recoveryUntil = null, now = NOW }: Found = {},
  rules = RULES,
) =>
  decideRefresh(
    presented,
    { session: { ...SESSION, ...session }, floors: { ...FLOORS, ...floors }, user, recoveryUntil, now },
    rules,
  );

const rotate = { outcome: 'rotate', user: USER };
const replay = (door: 'window' | 'key' | 'bound') => ({ outcome: 'replay', door, user: USER });
const refused = (reason: string, more = {}) => ({ outcome: 'refuse', reason, ...more });
const reuse = refused('token_revoked', { revoke: 'reuse_detected' });
const replayRefused = { outcome: 'wait', reason: 'replay_refused', retryAfterSeconds: 1 };
const tooManyReplays = { outcome: 'wait', reason: 'too_many_replays', retryAfterSeconds: 1 };
const forgery = (evidence: string) => refused('token_invalid', { forgery: evidence });

const belowUser = refused('token_version_rejected', {
  revoke: 'token_version_rejected',
  rejection: { rejectionReason: 'user_rotation', tokenVersion: 2, requiredVersion: 3 },
});
const belowGlobal = refused('token_version_rejected', {
  revoke: 'token_version_rejected',
  rejection: { rejectionReason: 'global_rotation', tokenVersion: 6, requiredVersion: 7 },
});

/** Everything that can be the matter, in the order of the decision table: what comes first decides. */
const TABLE: [name: string, outcome: unknown, aspect: string, presented: Partial<Presentation>, found: Found][] = [
  ['delivered the other way', refused('token_invalid'), 'delivery', { delivery: 'cookie' }, {}],
  ['of a bound session, without a proof', refused('proof_required'), 'binding', {}, { session: { binding: BINDING } }],
  [
    'ahead of the session',
    { ...forgery('generation_ahead'), adoptable: true },
    'place',
    { generation: 6, digest: FOREIGN },
    {},
  ],
  ['stamped above the policy', forgery('stamp_above_policy'), 'stamp', {}, { session: { globalVersionAtIssuance: 8 } }],
  ['of this generation, foreign', forgery('digest_differs'), 'place', { digest: FOREIGN }, {}],
  [
    'of a revoked session',
    refused('token_revoked', { ended: 'user_logout' }),
    'revoked',
    {},
    { session: { revokedAt: ago(1), revokedReason: 'user_logout' } },
  ],
  [
    'of a session that ended with all of its user’s',
    refused('token_revoked', { ended: 'password_changed' }),
    'revoked',
    {},
    { session: { tokenVersion: 1 } },
  ],
  ['one behind, foreign', forgery('digest_differs'), 'place', { generation: 4, digest: FOREIGN }, {}],
  ['one behind, too late', reuse, 'place', previous, { session: { rotatedAt: ago(11) } }],
  ['one behind, of a rotation without a time', reuse, 'place', previous, { session: { rotatedAt: null } }],
  ['one behind, too often', tooManyReplays, 'place', previous, { session: { replayCount: 20 } }],
  ['one behind, without the key', replayRefused, 'place', previous, { session: { keyed: true, retryKeyHash: KEY } }],
  ['two behind', reuse, 'place', older, {}],
  ['two behind, foreign', reuse, 'place', { ...older, digest: FOREIGN }, {}],
  ['the very first', reuse, 'place', { generation: 0, digest: FOREIGN }, {}],
  ['past the idle limit', refused('token_expired'), 'expiry', {}, { session: { expiresAt: ago(1) } }],
  [
    'past the absolute limit',
    refused('token_expired'),
    'expiry',
    {},
    { session: { expiresAt: ago(1), absoluteExpiresAt: ago(1) } },
  ],
  ['of nobody', refused('user_not_found'), 'user', {}, { user: null }],
  ['below the global floor', belowGlobal, 'stamp', {}, { session: { globalVersionAtIssuance: 6 } }],
  ['below the user’s floor', belowUser, 'stamp', {}, { session: { tokenVersion: 2 } }],
  [
    'of an inactive user',
    refused('user_inactive', { revoke: 'user_deactivated' }),
    'user',
    {},
    { user: { ...USER, isActive: false } },
  ],
];

const merge = (one: Found, two: Found): Found => ({ ...one, ...two, session: { ...one.session, ...two.session } });
const together = TABLE.flatMap((first, at) =>
  TABLE.slice(at + 1)
    .filter(([, , aspect]) => aspect !== first[2])
    .map((second) => ({ first, second })),
);

describe('the decision of a refresh', () => {
  it('is to rotate when nothing is the matter', () => {
    expect(decide(current)).toEqual(rotate);
    expect(decide({ ...current, retryKeyHash: KEY })).toEqual(rotate);
    expect(decide(current, { session: { generation: 5, previousTokenHash: null, rotatedAt: null } })).toEqual(rotate);
  });

  it.each(TABLE)('for a token %s is %j', (_name, outcome, _aspect, presented, found) => {
    expect(decide({ ...current, ...presented }, found)).toEqual(outcome);
  });

  // Seen red with expiry before reuse, with the versions before expiry, and with revocation before the digest.
  it.each(together)('is the first one’s when two things are the matter: $first.0, then $second.0', (both) => {
    const [, outcome, , presented, found] = both.first;
    const [, , , alsoPresented, alsoFound] = both.second;
    expect(decide({ ...current, ...alsoPresented, ...presented }, merge(alsoFound, found))).toEqual(outcome);
  });

  it('is the first row of the table that applies, whatever else is the matter', () => {
    const row = fc.nat({ max: TABLE.length - 1 });
    fc.assert(
      fc.property(fc.uniqueArray(row, { selector: (at) => TABLE[at]![2], minLength: 1 }), (rows) => {
        const [first, ...rest] = rows.sort((a, b) => a - b).map((at) => TABLE[at]!);
        const presented = rest.reduce((sum, [, , , one]) => ({ ...one, ...sum }), first![3]);
        const found = rest.reduce((sum, [, , , , one]) => merge(one, sum), first![4]);
        expect(decide({ ...current, ...presented }, found)).toEqual(first![1]);
      }),
    );
  });

  it.each([1, 2, 4, 5, 50])('is reuse for any genuine older token: %d more behind', (more) => {
    const session = { generation: 60, previousTokenHash: hash(59), tokenHash: hash(60) };
    expect(decide({ ...current, generation: 59 - more, digest: hash(59 - more) }, { session })).toEqual(reuse);
  });

  it('looks for reuse before it looks at the clock: an expired session is still evidence', () => {
    const found = { session: { rotatedAt: ago(3_600), expiresAt: ago(60), absoluteExpiresAt: ago(60) } };
    expect(decide(older, found)).toEqual(reuse);
    expect(decide(previous, found)).toEqual(reuse);
    expect(decide(current, found)).toEqual(refused('token_expired'));
  });

  it('is no theft when the session was ended before, by whatever reason', () => {
    const session = { revokedAt: ago(1), revokedReason: 'admin_action' } as const;
    for (const presented of [current, previous, older]) {
      expect(decide(presented, { session })).toEqual(refused('token_revoked', { ended: 'admin_action' }));
    }
  });

  // Seen red without the floor in row 4: the first is below the user's floor, the others are thefts.
  it('is no theft when a raise of the floor ended the session, marked or not', () => {
    const floors = { endedBelow: 3, endedReason: 'user_logout_all' } as const;
    const below = { tokenVersion: 2 };
    const marked = { ...below, revokedAt: ago(1), revokedReason: 'user_logout' } as const;
    for (const presented of [current, previous, older]) {
      const by = (session: object) => decide(presented, { session, floors });
      expect(by(below)).toEqual(refused('token_revoked', { ended: 'user_logout_all' }));
      expect(by(marked)).toEqual(refused('token_revoked', { ended: 'user_logout' }));
    }
    expect(decide(current, { session: { tokenVersion: 3 }, floors })).toEqual(rotate);
  });

  it('never ends a session for a token that the session does not know', () => {
    const digests = fc.uint8Array({ minLength: 0, maxLength: 40 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(digests, fc.constantFrom(GENERATION, GENERATION - 1, GENERATION + 1), (digest, generation) => {
        fc.pre(!digest.equals(CURRENT) && !digest.equals(PREVIOUS));
        const decision = decide({ ...current, generation, digest });
        expect(decision).toMatchObject({ outcome: 'refuse', reason: 'token_invalid' });
        expect(decision).not.toHaveProperty('revoke');
      }),
    );
  });

  it('knows no predecessor of a session that was never rotated', () => {
    const session = { generation: 1, previousTokenHash: null };
    expect(decide({ ...previous, generation: 0 }, { session })).toEqual(forgery('digest_differs'));
  });

  it('is over at the very moment of the limit, as for the row that a rotation would look for', () => {
    const at = (expiresAt: Date) => decide(current, { session: { expiresAt } });
    expect(at(new Date(NOW.getTime() + 1))).toEqual(rotate);
    expect(at(NOW)).toEqual(refused('token_expired'));
    expect(at(new Date(NOW.getTime() - 1))).toEqual(refused('token_expired'));
  });

  it('is over at the absolute limit, wherever the idle one stands', () => {
    const at = (absoluteExpiresAt: Date) => decide(current, { session: { expiresAt: ahead(100), absoluteExpiresAt } });
    expect(at(ahead(1))).toEqual(rotate);
    expect(at(NOW)).toEqual(refused('token_expired'));
    expect(at(ago(1))).toEqual(refused('token_expired'));
  });

  it('honours a grace period of the global floor, and none of the user’s', () => {
    const grace = { mode: 'migrate', graceEndsAt: NOW } as const;
    expect(decide(current, { floors: grace, session: { globalVersionAtIssuance: 6 } })).toEqual(rotate);
    expect(decide(current, { floors: grace, session: { tokenVersion: 2 } })).toEqual(belowUser);
  });

  it('gives the global counter’s pair when both floors refuse', () => {
    expect(decide(current, { session: { tokenVersion: 2, globalVersionAtIssuance: 6 } })).toEqual(belowGlobal);
  });

  it('changes nothing that it was given', () => {
    const facts = {
      session: { ...SESSION },
      floors: { ...FLOORS },
      user: { ...USER },
      recoveryUntil: null,
      now: new Date(NOW),
    };
    const before = structuredClone(facts);
    for (const presented of [current, previous, older]) decideRefresh(presented, facts, RULES);
    expect(facts).toEqual(before);
  });
});

// Seen red without the row, with it after the place of the token, and with older tokens answered like the predecessor.
describe('the decision of a refresh of a bound session', () => {
  const session = { binding: BINDING };
  const isProven = true;

  it('is, without a proof, that one is required, whatever else is the matter, and it ends nothing', () => {
    const ended = { revokedAt: ago(1), revokedReason: 'user_logout', expiresAt: ago(1), keyed: true } as const;
    for (const presented of [current, previous, older, { ...current, digest: FOREIGN }, { ...current, generation: 6 }])
      for (const more of [{}, ended])
        for (const recoveryUntil of [null, ahead(60)]) {
          const found = { session: { ...session, ...more }, recoveryUntil };
          expect(decide({ ...presented, retryKeyHash: KEY }, found)).toEqual(refused('proof_required'));
        }
  });

  it('is, with a proof, that of any other session, except for its predecessor', () => {
    expect(decide({ ...current, isProven }, { session })).toEqual(rotate);
    expect(decide({ ...older, isProven }, { session })).toEqual(reuse);
    expect(decide({ ...current, digest: FOREIGN, isProven }, { session })).toEqual(forgery('digest_differs'));
    expect(decide({ ...current, isProven }, { session: { ...session, expiresAt: NOW } })).toEqual(
      refused('token_expired'),
    );
  });

  it.each<[string, Partial<RefreshSession>]>([
    ['inside the window', { rotatedAt: ago(3) }],
    ['long after it', { rotatedAt: ago(50_000) }],
    ['when a clock steps back', { rotatedAt: ahead(5) }],
    ['when the cap of the window is used up', { replayCount: 20 }],
    ['when an earlier request had a retry key', { keyed: true, retryKeyHash: KEY }],
  ])('lets the device have the successor again %s', (_when, more) => {
    for (const retryKeyHash of [null, OTHER_KEY])
      for (const rules of [RULES, { ...RULES, replayWindowSeconds: 0, retryKeys: false }])
        expect(decide({ ...previous, retryKeyHash, isProven }, { session: { ...session, ...more } }, rules)).toEqual(
          replay('bound'),
        );
  });

  it('asks for no proof of a session that is not bound', () => {
    expect(decide({ ...current, isProven })).toEqual(rotate);
    expect(decide({ ...previous, isProven }, { session: { rotatedAt: ago(11) } })).toEqual(reuse);
  });
});

describe('the immediate predecessor', () => {
  const IN_WINDOW = ago(3);
  const AFTER = ago(10);
  const unkeyed = { keyed: false, retryKeyHash: null };
  const keyed = { keyed: true, retryKeyHash: KEY };
  const keyedBefore = { keyed: true, retryKeyHash: null };

  // Seen red with the window's door open in a keyed session, and with a missing key equal to a missing key.
  it.each<[string, Partial<RefreshSession>, string, Buffer | null, unknown, unknown]>([
    ['a session without keys', unkeyed, 'no key', null, replay('window'), reuse],
    ['a session without keys', unkeyed, 'a key', KEY, replay('window'), reuse],
    ['a keyed session', keyed, 'the key of the rotation', KEY, replay('key'), replay('key')],
    ['a keyed session', keyed, 'another key', OTHER_KEY, replayRefused, reuse],
    ['a keyed session', keyed, 'no key', null, replayRefused, reuse],
    ['a keyed session, rotated without a key', keyedBefore, 'no key', null, replayRefused, reuse],
    ['a keyed session, rotated without a key', keyedBefore, 'a key', KEY, replayRefused, reuse],
  ])('in %s %j with %s', (_session, session, _with, retryKeyHash, inside, after) => {
    const presented = { ...previous, retryKeyHash };
    expect(decide(presented, { session: { ...session, rotatedAt: IN_WINDOW } })).toEqual(inside);
    expect(decide(presented, { session: { ...session, rotatedAt: AFTER } })).toEqual(after);
  });

  it('is answered to the last millisecond of the window, and not in the next', () => {
    const after = (milliseconds: number, session: Partial<RefreshSession> = {}) =>
      decide(previous, { session: { ...session, rotatedAt: new Date(NOW.getTime() - milliseconds) } });
    expect(after(0)).toEqual(replay('window'));
    expect(after(9_999)).toEqual(replay('window'));
    expect(after(10_000)).toEqual(reuse);
    expect(after(9_999, keyed)).toEqual(replayRefused);
    expect(after(10_000, keyed)).toEqual(reuse);
    // A clock that steps back opens nothing.
    expect(after(-1)).toEqual(reuse);
    expect(after(-1, keyed)).toEqual(reuse);
  });

  it('finds the window’s door closed when the window is 0, and the key’s open all the same', () => {
    const closed = { ...RULES, replayWindowSeconds: 0 };
    const now = { rotatedAt: NOW };
    expect(decide(previous, { session: now }, closed)).toEqual(reuse);
    expect(decide(previous, { session: { ...keyed, ...now } }, closed)).toEqual(reuse);
    expect(decide({ ...previous, retryKeyHash: KEY }, { session: { ...keyed, ...now } }, closed)).toEqual(
      replay('key'),
    );
  });

  // Seen red with the cap answered as reuse.
  it('is put off when the window’s cap is used up, which is no theft until the window is over', () => {
    const used = (replayCount: number, rotatedAt = IN_WINDOW) =>
      decide(previous, { session: { replayCount, rotatedAt } });
    expect(used(19)).toEqual(replay('window'));
    expect(used(20)).toEqual(tooManyReplays);
    expect(used(21)).toEqual(tooManyReplays);
    expect(used(20, AFTER)).toEqual(reuse);
    expect(decide(previous, {}, { ...RULES, maxReplays: 0 })).toEqual(tooManyReplays);
  });

  it('is answered by the key however often it comes', () => {
    expect(decide({ ...previous, retryKeyHash: KEY }, { session: { ...keyed, replayCount: 1_000 } })).toEqual(
      replay('key'),
    );
  });

  it('knows the window’s door alone when retry keys are switched off', () => {
    const off = { ...RULES, retryKeys: false };
    expect(decide(previous, { session: keyed }, off)).toEqual(replay('window'));
    expect(decide(previous, { session: { ...keyed, rotatedAt: AFTER } }, off)).toEqual(reuse);
  });

  it.each<[string, unknown, Found]>([
    ['expiry', refused('token_expired'), { session: { expiresAt: ago(1) } }],
    ['a user who is gone', refused('user_not_found'), { user: null }],
    ['a raised floor', belowUser, { session: { tokenVersion: 2 } }],
    ['a global rotation', belowGlobal, { session: { globalVersionAtIssuance: 6 } }],
    [
      'a deactivation',
      refused('user_inactive', { revoke: 'user_deactivated' }),
      { user: { ...USER, isActive: false } },
    ],
    [
      'a revocation',
      refused('token_revoked', { ended: 'user_logout' }),
      { session: { revokedAt: ago(1), revokedReason: 'user_logout' } },
    ],
    [
      'the end of all sessions',
      refused('token_revoked', { ended: 'password_changed' }),
      { session: { tokenVersion: 1 } },
    ],
  ])('does not outlive %s through either door', (_what, outcome, found) => {
    expect(decide(previous, found)).toEqual(outcome);
    expect(decide({ ...previous, retryKeyHash: KEY }, merge(found, { session: keyed }))).toEqual(outcome);
  });

  it('is one of the four answers of the table, by nothing but the session’s keys, the time and the count', () => {
    const key = fc.constantFrom(null, KEY, OTHER_KEY);
    const milliseconds = fc.oneof(
      fc.integer({ min: -20_000, max: 20_000 }),
      fc.constantFrom(-1, 0, 9_999, 10_000, 10_001),
    );
    fc.assert(
      fc.property(
        fc.boolean(),
        key,
        key,
        milliseconds,
        fc.integer({ min: 0, max: 25 }),
        (keyed, stored, given, since, replayCount) => {
          const session = { keyed, retryKeyHash: stored, rotatedAt: new Date(NOW.getTime() - since), replayCount };
          const decision: RefreshDecision = decide({ ...previous, retryKeyHash: given }, { session });
          const isInside = since >= 0 && since < 10_000;
          const opened = keyed ? given !== null && given === stored : isInside && replayCount < 20;
          const [inside, late] = [keyed ? replayRefused : tooManyReplays, reuse];
          expect(decision).toEqual(opened ? replay(keyed ? 'key' : 'window') : isInside ? inside : late);
        },
      ),
    );
  });
});

describe('a recovery epoch', () => {
  const OPEN = { recoveryUntil: ahead(1) } satisfies Found;
  const lost = (generations: number, digest = FOREIGN): Presentation => ({
    ...current,
    generation: GENERATION + generations,
    digest,
  });
  const adopted = (adoptedAhead: number) => ({ ...rotate, adoptedAhead });
  const otherBranch = { ...reuse, holders: 'other_branch' };
  const sameForeign = { ...current, digest: FOREIGN };
  const previousForeign = { ...previous, digest: FOREIGN };

  /** What is found beside the place of the token, and how a token that is ahead is answered then: rows 4 and 7 to 10. */
  const beside = TABLE.filter(([, , aspect]) => ['revoked', 'expiry', 'user'].includes(aspect)).concat(
    TABLE.filter(([name]) => name.startsWith('below')),
  );

  // Seen red with 15 and with 17, and with adoption of any generation.
  it.each([1, 2, 15, 16])('adopts a token that is %d generations ahead of the row', (generations) => {
    expect(decide(lost(generations), OPEN)).toEqual(adopted(generations));
    expect(decide(lost(generations))).toEqual({ ...forgery('generation_ahead'), adoptable: true });
  });

  it.each([17, 18, 1000, 2 ** 32 - 1 - GENERATION])('adopts none that is %d ahead', (generations) => {
    expect(decide(lost(generations), OPEN)).toEqual(forgery('generation_ahead'));
    expect(decide(lost(generations))).toEqual(forgery('generation_ahead'));
  });

  // Seen red with adoption before the session's end, its limits, the floors and the user are looked at.
  it.each(beside)('refuses a token ahead of a row %s as any other: %j', (_name, outcome, _aspect, presented, found) => {
    expect(decide({ ...lost(3), ...presented }, { ...found, ...OPEN })).toEqual(outcome);
  });

  it('refuses a token ahead that is delivered the other way, and a row stamped above the policy', () => {
    expect(decide({ ...lost(1), delivery: 'cookie' }, OPEN)).toEqual(refused('token_invalid'));
    expect(decide(lost(1), { ...OPEN, session: { globalVersionAtIssuance: 8 } })).toEqual(
      forgery('stamp_above_policy'),
    );
  });

  // Seen red with either as a forgery, as without an epoch.
  it.each([
    ['level with the row', sameForeign],
    ['one behind the row', previousForeign],
  ])('ends a session of two branches when the other one comes: %s', (_where, presented) => {
    expect(decide(presented, OPEN)).toEqual(otherBranch);
    expect(decide(presented, { ...OPEN, session: { expiresAt: ago(1) } })).toEqual(otherBranch);
    expect(decide(presented)).toEqual(forgery('digest_differs'));
  });

  it('ends no session again that has ended, whatever branch comes', () => {
    const session = { revokedAt: ago(1), revokedReason: 'reuse_detected' } as const;
    for (const presented of [sameForeign, previousForeign, lost(1), lost(16)])
      expect(decide(presented, { ...OPEN, session })).toEqual(refused('token_revoked', { ended: 'reuse_detected' }));
  });

  it('is over at its end', () => {
    const at = (recoveryUntil: Date) => decide(lost(1), { recoveryUntil });
    expect(at(new Date(NOW.getTime() + 1))).toEqual(adopted(1));
    expect(at(NOW)).toEqual({ ...forgery('generation_ahead'), adoptable: true });
    expect(at(ago(1))).toEqual({ ...forgery('generation_ahead'), adoptable: true });
  });

  it('changes nothing for a token that the row knows', () => {
    const known = [current, previous, older, { ...previous, retryKeyHash: KEY }];
    const rows = [{}, { rotatedAt: ago(11) }, { replayCount: 20 }, { keyed: true, retryKeyHash: KEY }];
    for (const presented of known)
      for (const session of rows)
        expect(decide(presented, { ...OPEN, session })).toEqual(decide(presented, { session }));
  });

  it('answers every place in the chain as the table says', () => {
    fc.assert(
      fc.property(fc.integer({ min: -GENERATION, max: 40 }), fc.boolean(), fc.boolean(), (place, foreign, open) => {
        const digest = foreign ? FOREIGN : ({ 0: CURRENT, [-1]: PREVIOUS }[place] ?? OLDER);
        const decision = decide(lost(place, digest), open ? OPEN : {});
        if (place > 16 || (place > 0 && !open)) expect(decision).toMatchObject(forgery('generation_ahead'));
        else if (place > 0) expect(decision).toEqual(adopted(place));
        else if (place < -1) expect(decision).toEqual(reuse);
        else if (foreign) expect(decision).toEqual(open ? otherBranch : forgery('digest_differs'));
        else expect(decision).toEqual(place === 0 ? rotate : replay('window'));
      }),
    );
  });
});
