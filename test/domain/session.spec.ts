import { lastUsedFirst, type Session } from '../../src/auth/domain/session';

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
