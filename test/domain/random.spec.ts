import { randomBytesInBulk } from '../../src/auth/domain/random';

describe('random bytes in bulk', () => {
  // More than twice what is drawn at once. Seen red with a pool that is not drawn again, and with one that forgets what it gave.
  it('are never given twice', () => {
    const given = Array.from({ length: 1000 }, () => randomBytesInBulk(16).toString('hex'));
    expect(new Set(given).size).toBe(1000);
  });

  // Seen red with a view of the pool instead of a copy.
  it('stay what they were when others are drawn', () => {
    const first = randomBytesInBulk(16);
    const before = first.toString('hex');
    for (let drawn = 0; drawn < 1000; drawn++) randomBytesInBulk(16);
    expect(first.toString('hex')).toBe(before);
  });

  it('are as many as were asked for', () => {
    expect([1, 7, 16, 32].map((count) => randomBytesInBulk(count).length)).toEqual([1, 7, 16, 32]);
  });
});
