import { loginSpelling } from '../../src/auth/domain/login';

describe('the spelling of a login name', () => {
  it.each([
    ['blanks around it', ' \u3000Zoë@Example.COM\u00a0', 'zoë@example.com'],
    ['letters of full width', 'ＺＯＥ@example.com', 'zoe@example.com'],
    ['a letter and its accent apart', 'ZOE\u0308@example.com', 'zoë@example.com'],
    // The capital has no composed form; the small letter has.
    ['a composed form in lower case alone', 'J\u030C@example.com', 'ǰ@example.com'],
  ])('is one with %s', (_, written, spelling) => {
    expect(loginSpelling(written)).toBe(spelling);
    expect(loginSpelling(spelling)).toBe(spelling);
  });
});
