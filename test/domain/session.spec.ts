import { isLive, lastUsedFirst, type Session } from '../../src/auth/domain/session';
import type { Floors } from '../../src/guard/versions';

const session = (id: string, second: number) => ({ id, lastUsedAt: new Date(second * 1000) }) as Session;

describe("the order of a user's sessions", () => {
  it.each([
    ['the one that was used last', session('a', 2), session('b', 1)],
    ['of two that were used in the same millisecond, the newer one', session('b', 1), session('a', 1)],
  ])('has first %s, whichever way they are given', (_, first, second) => {
    expect([second, first].toSorted(lastUsedFirst)).toEqual([first, second]);
    expect([first, second].toSorted(lastUsedFirst)).toEqual([first, second]);
  });
});

describe('a session is live', () => {
  const at = (second: number) => new Date(second * 1000);
  const floors = { userMinTokenVersion: 2, globalMinTokenVersion: 5, mode: 'immediate', graceEndsAt: null } as Floors;
  const live = {
    revokedAt: null,
    expiresAt: at(10),
    absoluteExpiresAt: at(20),
    tokenVersion: 2,
    globalVersionAtIssuance: 5,
  } as Session;

  it.each<[string, Partial<Session>, boolean]>([
    ['before its limits, and honoured', {}, true],
    ['not once it has ended', { revokedAt: at(1) }, false],
    ['not at its idle limit', { expiresAt: at(9) }, false],
    ['not after it', { expiresAt: at(8) }, false],
    ['not at its absolute limit', { absoluteExpiresAt: at(9) }, false],
    ['not after that', { absoluteExpiresAt: at(8) }, false],
    ["not below its user's floor", { tokenVersion: 1 }, false],
    ['not below the global floor', { globalVersionAtIssuance: 4 }, false],
  ])('%s', (_, change, answer) => {
    expect(isLive({ ...live, ...change }, floors, at(9))).toBe(answer);
  });
});
