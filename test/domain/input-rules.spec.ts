import fc from 'fast-check';
import { InvalidInput, REVOCATION_REASONS } from '../../src';
import {
  acrProblem,
  amrProblem,
  cursorProblem,
  cutOffModeProblem,
  demand,
  deviceNameProblem,
  graceOfModeProblem,
  graceProblem,
  idProblem,
  methodProblem,
  pageProblem,
  plainTextOf,
  plainTextProblem,
  reasonProblem,
  retryKeyProblem,
  revocationReasonProblem,
  rolesProblem,
  timeProblem,
  userIdProblem,
  versionProblem,
} from '../../src/auth/domain/input-rules';
import { cursorOf } from '../../src/support/cursor';

const numbered = (count: number): string[] => Array.from({ length: count }, (_, at) => String(at));

const UUID = '0199aaaa-0000-7000-8000-000000000001';

describe('the rules of input', () => {
  it.each<[string, (value: unknown) => string | null, good: unknown[], bad: unknown[]]>([
    [
      'a text',
      plainTextProblem,
      ['', 'Zoë’s phone 🗝', 'שלום'],
      ['a\0', 'a\u0085', 'a\ud800', 'photo\u202Egnp.exe', '\u2066a', 'a\u2028b', 7, null],
    ],
    ['a reason', reasonProblem, ['a breach', 'x'.repeat(500)], ['', ' \u00a0', 'x'.repeat(501), 'a\nb', undefined]],
    ['a grace period', graceProblem, [0, 300, 30 * 86_400], [-5, 0.5, 30 * 86_400 + 1, Number.NaN, Infinity, '300']],
    ['a version', versionProblem, [1, 2 ** 31 - 1], [0, -5, 2 ** 31, 1.5, '1']],
    ['a mode', cutOffModeProblem, ['immediate', 'drain', 'migrate'], ['', 'Drain', 'constructor', null, ['drain']]],
    [
      "a user's id",
      userIdProblem,
      ['7', 'clh3x0q1a0000qzrmn831i7rn', UUID, UUID.toUpperCase(), "7'", 'Zoë 🗝', 'x'.repeat(128)],
      ['', 'x'.repeat(129), 'a\0', 'a\n', 'a\ud800', 7, null, undefined],
    ],
    ['an id', idProblem, [UUID, UUID.toUpperCase()], ['', '7', `${UUID} `, null, "'; DROP TABLE sessions"]],
    [
      'roles',
      rolesProblem,
      [[], ['admin', 'ROLE_USER', 'Account Manager'], ['x'.repeat(64)], numbered(32)],
      ['admin', [''], [' '], ['a\n'], ['x'.repeat(65)], ['a', 'a'], [7], ['a', ''], numbered(33)],
    ],
    [
      'a retry key',
      retryKeyProblem,
      ['k'.repeat(22), 'k'.repeat(128), undefined],
      ['k'.repeat(21), 'k'.repeat(129), `${'k'.repeat(22)}=`, '', ['k'.repeat(22)]],
    ],
    ['a page', (limit) => pageProblem(limit, 200), [1, 200], [0, -5, 201, 1.5]],
    [
      'a reason of a revocation',
      revocationReasonProblem,
      [...REVOCATION_REASONS],
      ['', 'because', 'constructor', null],
    ],
    [
      'the name of a device',
      deviceNameProblem,
      [null, 'Zoë’s phone', 'x', 'x'.repeat(128)],
      ['', ' \u00a0', 'x'.repeat(129), 'a\nb', 'a\u202Eb', 7, undefined],
    ],
    ['a method', methodProblem, ['pwd', 'urn:a_b.c-7', 'x'.repeat(64)], ['', 'A', 'a b', 'ä', 'x'.repeat(65), 7]],
    [
      'what a user was authenticated by',
      amrProblem,
      [[], ['pwd', 'Zoë'], ['x'.repeat(64)], numbered(16)],
      ['pwd', numbered(17), ['pwd', ''], ['a b'], ['x'.repeat(65)], ['\u202E'], [7], null],
    ],
    [
      'a level',
      acrProblem,
      ['1', 'urn:example:gold', '!#[]~', 'x'.repeat(128)],
      ['', 'a b', ' a', 'a ', '"', '\\', 'ä', 'x'.repeat(129), 7, ['a']],
    ],
    [
      'a time',
      timeProblem,
      [new Date(0), new Date()],
      [new Date(-1), new Date(Number.NaN), 0, null, { getTime: () => 1 }],
    ],
    [
      'a place in a list',
      cursorProblem,
      [cursorOf({ time: 1, id: UUID })],
      ['', 'x', `${cursorOf({ time: 1, id: UUID })}=`, null],
    ],
  ])('know %s', (_, problemOf, good, bad) => {
    for (const value of good) expect([value, problemOf(value)]).toEqual([value, null]);
    for (const value of bad) expect([value, problemOf(value)]).toEqual([value, expect.stringMatching(/^must /)]);
  });

  it('name what they allow', () => {
    expect(cutOffModeProblem('')).toBe('must be one of immediate, drain, migrate');
    expect(plainTextOf('a\u202Eb\nc\0 🗝')).toBe('abc 🗝');
  });

  it('forbid a grace period where tokens are refused at once', () => {
    expect(graceOfModeProblem(60, 'immediate')).toBe('must not be given in mode immediate');
    expect(graceOfModeProblem(60, 'drain')).toBeNull();
    expect(graceOfModeProblem(-5, 'drain')).toMatch('whole number');
  });

  it('throw for no value, and never quote one', () => {
    const rules = [
      plainTextProblem,
      reasonProblem,
      graceProblem,
      cutOffModeProblem,
      idProblem,
      userIdProblem,
      rolesProblem,
      retryKeyProblem,
    ];
    fc.assert(
      fc.property(fc.anything(), fc.constantFrom(...rules), (value, problemOf) => {
        const problem = problemOf(value);
        expect(problem === null || problem.startsWith('must ')).toBe(true);
      }),
    );
  });

  it('name the first field that breaks one', () => {
    expect(() => demand({ reason: null, mode: 'must be something', by: 'must be more' })).toThrow(
      new InvalidInput('mode', 'must be something'),
    );
    expect(() => demand({ reason: null })).not.toThrow();
  });
});
