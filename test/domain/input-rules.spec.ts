import fc from 'fast-check';
import { InvalidInput, REVOCATION_REASONS } from '../../src';
import {
  cutOffModeProblem,
  demand,
  graceOfModeProblem,
  graceProblem,
  idProblem,
  pageProblem,
  plainTextProblem,
  reasonProblem,
  retryKeyProblem,
  revocationReasonProblem,
  rolesProblem,
  userIdProblem,
  versionProblem,
} from '../../src/auth/domain/input-rules';

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
      [[], ['admin', 'ROLE_USER', 'Account Manager']],
      ['admin', [''], [' '], ['a\n'], ['x'.repeat(65)], ['a', 'a'], [7], Array(33).fill(0).map(String)],
    ],
    [
      'a retry key',
      retryKeyProblem,
      ['k'.repeat(22), 'k'.repeat(128)],
      ['k'.repeat(21), 'k'.repeat(129), `${'k'.repeat(22)}=`, ''],
    ],
    ['a page', (limit) => pageProblem(limit, 200), [1, 200], [0, -5, 201, 1.5]],
    [
      'a reason of a revocation',
      revocationReasonProblem,
      [...REVOCATION_REASONS],
      ['', 'because', 'constructor', null],
    ],
  ])('know %s', (_, problemOf, good, bad) => {
    for (const value of good) expect([value, problemOf(value)]).toEqual([value, null]);
    for (const value of bad) expect([value, problemOf(value)]).toEqual([value, expect.stringMatching(/^must /)]);
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
