import { ok, refusal } from '../../src/auth/domain/result';

describe('a result', () => {
  it('is a value or a reason', () => {
    expect([ok(7), ok(), refusal('expired')]).toEqual([
      { ok: true, value: 7 },
      { ok: true, value: undefined },
      { ok: false, reason: 'expired' },
    ]);
  });
});
