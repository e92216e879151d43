import fc from 'fast-check';
import {
  type Floors,
  graceLimitOf,
  isHonoured,
  rejectionOf,
  CUT_OFF_MODES,
  stampsAfterRotation,
  stampsOf,
  type VersionStamps,
} from '../../src/guard/versions';

const NOW = new Date('2025-11-20T12:00:00.000Z');
const GRACE = {
  none: null,
  past: new Date(NOW.getTime() - 1),
  edge: new Date(NOW),
  future: new Date(NOW.getTime() + 1),
};
const graces = Object.keys(GRACE) as (keyof typeof GRACE)[];

/** How many versions behind the global floor a token may be: the rule as a table. A user's floor forgives none. */
const FORGIVEN = {
  immediate: { none: 0, past: 0, edge: 0, future: 0 },
  drain: { none: 0, past: 0, edge: 1, future: 1 },
  migrate: { none: 0, past: 0, edge: 1, future: 1 },
};

const version = fc.integer({ min: 1, max: 2_000 });
const mode = fc.constantFrom(...CUT_OFF_MODES);
const allFloors: fc.Arbitrary<Floors> = fc.record({
  userMinTokenVersion: version,
  globalMinTokenVersion: version,
  mode,
  graceEndsAt: fc.constantFrom(...Object.values(GRACE)),
});
const allStamps: fc.Arbitrary<VersionStamps> = fc.record({ tokenVersion: version, globalVersionAtIssuance: version });
/** A floor and a stamp that are near each other, as they nearly always are. */
const near = fc
  .tuple(allFloors, fc.integer({ min: -3, max: 3 }), fc.integer({ min: -3, max: 3 }))
  .map(([floors, user, global]) => [
    floors,
    {
      tokenVersion: floors.userMinTokenVersion + user,
      globalVersionAtIssuance: floors.globalMinTokenVersion + global,
    },
  ]) as fc.Arbitrary<[Floors, VersionStamps]>;

/** A global rotation as an administrator triggers it. */
const rotated = (floors: Floors, how: Floors['mode'], grace: keyof typeof GRACE): Floors => ({
  ...floors,
  globalMinTokenVersion: floors.globalMinTokenVersion + 1,
  mode: how,
  graceEndsAt: GRACE[grace],
});

describe('whether a token is honoured', () => {
  // Seen red with `<` for `<=` at the deadline, without the test of the mode, with one maximum for both floors, with
  // `>= floor - 1` for `=== floor - 1`, and with a grace for the user's floor.
  it('is what the table says, for every combination of versions, modes and deadlines', () => {
    const versions = [1, 2, 3, 4];
    let combinations = 0;
    for (const mode of CUT_OFF_MODES)
      for (const grace of graces)
        for (const globalMinTokenVersion of versions)
          for (const userMinTokenVersion of versions)
            for (const tokenVersion of versions)
              for (const globalVersionAtIssuance of versions) {
                const floors = { globalMinTokenVersion, userMinTokenVersion, mode, graceEndsAt: GRACE[grace] };
                const stamps = { tokenVersion, globalVersionAtIssuance };
                const globalFails = globalMinTokenVersion - globalVersionAtIssuance > FORGIVEN[mode][grace];
                const userFails = userMinTokenVersion > tokenVersion;
                const rejection = rejectionOf(stamps, floors, NOW);
                combinations++;

                expect([stamps, floors, isHonoured(stamps, floors, NOW)]).toEqual([
                  stamps,
                  floors,
                  !(globalFails || userFails),
                ]);
                if (globalFails) {
                  expect(rejection).toEqual({
                    rejectionReason: 'global_rotation',
                    tokenVersion: globalVersionAtIssuance,
                    requiredVersion: globalMinTokenVersion,
                  });
                } else if (userFails) {
                  expect(rejection).toEqual({
                    rejectionReason: 'user_rotation',
                    tokenVersion,
                    requiredVersion: userMinTokenVersion,
                  });
                } else {
                  expect(rejection).toBeNull();
                }
              }
    expect(combinations).toBe(3 * 4 * 4 ** 4);
  });

  it('is yes for a token stamped with the floors of the moment', () => {
    fc.assert(fc.property(allFloors, (floors) => isHonoured(stampsOf(floors), floors, NOW)));
  });

  it('is no as soon as the user’s floor is raised, in every mode and within every grace period', () => {
    fc.assert(
      fc.property(allFloors, allStamps, fc.integer({ min: 1, max: 5 }), (floors, stamps, by) => {
        const raised = { ...floors, userMinTokenVersion: stamps.tokenVersion + by };
        expect(isHonoured(stamps, raised, NOW)).toBe(false);
      }),
    );
  });

  it('is no as soon as the global floor is raised without a grace period', () => {
    fc.assert(
      fc.property(allFloors, (floors) => {
        const stamps = stampsOf(floors);
        expect(isHonoured(stamps, rotated(floors, 'immediate', 'none'), NOW)).toBe(false);
        expect(isHonoured(stamps, rotated(floors, 'drain', 'past'), NOW)).toBe(false);
        expect(isHonoured(stamps, rotated(floors, 'migrate', 'none'), NOW)).toBe(false);
      }),
    );
  });

  it('is yes within a grace period for exactly one version: a second rotation inside it forgives no more', () => {
    fc.assert(
      fc.property(allFloors, fc.constantFrom('drain' as const, 'migrate' as const), (floors, mode) => {
        const stamps = stampsOf(floors);
        const once = rotated(floors, mode, 'future');
        expect(isHonoured(stamps, once, NOW)).toBe(true);
        expect(isHonoured(stamps, rotated(once, mode, 'future'), NOW)).toBe(false);
        expect(isHonoured(stampsOf(once), rotated(once, mode, 'future'), NOW)).toBe(true);
      }),
    );
  });

  it('never depends on one counter being high: a raised user is not spared by a global rotation, nor the reverse', () => {
    fc.assert(
      fc.property(near, fc.integer({ min: 0, max: 1_000 }), ([floors, stamps], up) => {
        const honoured = isHonoured(stamps, floors, NOW);
        const user = { ...stamps, tokenVersion: stamps.tokenVersion + up };
        const global = { ...stamps, globalVersionAtIssuance: stamps.globalVersionAtIssuance + up };
        if (rejectionOf(stamps, floors, NOW)?.rejectionReason === 'global_rotation') {
          expect(isHonoured(user, floors, NOW)).toBe(false);
        }
        if (stamps.tokenVersion < floors.userMinTokenVersion) expect(isHonoured(global, floors, NOW)).toBe(false);
        if (honoured) expect(isHonoured(user, floors, NOW)).toBe(true);
      }),
    );
  });

  it('turns to no with time, never back to yes', () => {
    fc.assert(
      fc.property(near, fc.integer({ min: 0, max: 10_000 }), ([floors, stamps], later) => {
        if (!isHonoured(stamps, floors, NOW)) {
          expect(isHonoured(stamps, floors, new Date(NOW.getTime() + later))).toBe(false);
        }
      }),
    );
  });
});

describe('the stamps after a rotation', () => {
  // Seen red with the drained session stamped with the floor.
  it('are the floors, except that a drained session keeps its global stamp', () => {
    fc.assert(
      fc.property(near, ([floors, stamps]) => {
        const after = stampsAfterRotation(stamps, floors);
        const drained = floors.mode === 'drain' && floors.globalMinTokenVersion > stamps.globalVersionAtIssuance;
        expect(after).toEqual({
          tokenVersion: floors.userMinTokenVersion,
          globalVersionAtIssuance: drained ? stamps.globalVersionAtIssuance : floors.globalMinTokenVersion,
        });
      }),
    );
  });

  it('honour the successor wherever its predecessor was honoured', () => {
    fc.assert(
      fc.property(near, ([floors, stamps]) => {
        fc.pre(isHonoured(stamps, floors, NOW));
        expect(isHonoured(stampsAfterRotation(stamps, floors), floors, NOW)).toBe(true);
      }),
    );
  });

  it('let nobody outlive a drain, however often they rotate, and everybody outlive a migration', () => {
    fc.assert(
      fc.property(allFloors, fc.integer({ min: 1, max: 5 }), (floors, times) => {
        for (const mode of ['drain', 'migrate'] as const) {
          const during = rotated(floors, mode, 'edge');
          let stamps = stampsOf(floors);
          for (let i = 0; i < times; i++) stamps = stampsAfterRotation(stamps, during);
          expect(isHonoured(stamps, during, NOW)).toBe(true);
          expect(isHonoured(stamps, during, new Date(NOW.getTime() + 1))).toBe(mode === 'migrate');
        }
      }),
    );
  });
});

describe('the limit of a grace', () => {
  it('is the deadline for stamps below the global floor, and none for all others', () => {
    fc.assert(
      fc.property(near, ([floors, stamps]) => {
        const below = stamps.globalVersionAtIssuance < floors.globalMinTokenVersion;
        expect(graceLimitOf(stamps, floors)).toBe(below ? floors.graceEndsAt : null);
      }),
    );
  });

  it('is the last moment at which such a token counts', () => {
    fc.assert(
      fc.property(near, ([floors, stamps]) => {
        fc.pre(isHonoured(stamps, floors, NOW));
        const limit = graceLimitOf(stamps, floors);
        fc.pre(limit !== null);
        expect(isHonoured(stamps, floors, limit)).toBe(true);
        expect(isHonoured(stamps, floors, new Date(limit.getTime() + 1))).toBe(false);
      }),
    );
  });
});
