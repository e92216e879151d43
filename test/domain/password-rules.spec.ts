import fc from 'fast-check';
import { COMMON_PASSWORDS } from '../../src/auth/domain/common-passwords';
import { fitsHash, normalisePassword, passwordProblem } from '../../src/auth/domain/password-rules';

describe('password rules', () => {
  it.each([
    ['seven characters', 'a7-b7c!', 'must have at least 8 characters'],
    ['seven characters of two UTF-16 units each', '🗝'.repeat(7), 'must have at least 8 characters'],
    ['65 characters', 'x'.repeat(65), 'must have at most 64 characters'],
    [
      '64 characters of two bytes',
      'é'.repeat(64),
      'must have at most 72 bytes in UTF-8; only the first 72 would count',
    ],
    [
      '73 bytes in 19 characters',
      `q${'🗝'.repeat(18)}`,
      'must have at most 72 bytes in UTF-8; only the first 72 would count',
    ],
    ['one with a line break', 'zk3!\nVq~w', 'must be a string without control characters'],
    ['a common one', 'password', 'is one of the most common passwords'],
    ['a common one in capitals', 'QwertyUIOP', 'is one of the most common passwords'],
    ['a common one in full-width letters', 'ｐａｓｓｗｏｒｄ', 'is one of the most common passwords'],
  ])('%s is refused', (_, password, problem) => {
    expect(passwordProblem(password)).toBe(problem);
  });

  it.each([
    ['8 characters', 'zk3!Vq~w'],
    ['64 characters of one byte', 'x7'.repeat(32)],
    ['72 bytes of four-byte characters', '🗝'.repeat(18)],
    ['spaces between words', 'four sensible words here'],
  ])('%s may be chosen', (_, password) => {
    expect(passwordProblem(password)).toBeNull();
  });

  it('the limit of 72 bytes is exact for any mix of one to four bytes a character', () => {
    const character = fc.constantFrom('q', 'ß', '漢', '🗝');
    fc.assert(
      fc.property(fc.array(character, { minLength: 8, maxLength: 64 }), (characters) => {
        const password = characters.join('');
        const refused = passwordProblem(password)?.includes('72 bytes') ?? false;
        expect(refused).toBe(new TextEncoder().encode(password).length > 72);
        expect(fitsHash(password)).toBe(!refused);
      }),
    );
  });

  it('every way to write the same characters is one password, and is judged alike', () => {
    const typed = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(typed, (password) => {
        const [composed, decomposed] = [password.normalize('NFC'), password.normalize('NFD')];
        expect(normalisePassword(decomposed)).toBe(normalisePassword(composed));
        expect(normalisePassword(normalisePassword(password))).toBe(normalisePassword(password));
        expect(passwordProblem(decomposed)).toBe(passwordProblem(composed));
      }),
    );
  });

  it('3,000 common passwords are listed, each one otherwise acceptable and written as it is looked up', () => {
    expect(COMMON_PASSWORDS.size).toBe(3000);
    for (const password of COMMON_PASSWORDS) {
      expect(normalisePassword(password).toLowerCase()).toBe(password);
      expect(passwordProblem(password)).toBe('is one of the most common passwords');
    }
  });
});
