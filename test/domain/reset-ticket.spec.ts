import { RefreshTokenKeyRing } from '../../src/auth/domain/refresh-token';
import { isTooOld, type ResetTicket, ResetTicketSeal } from '../../src/auth/domain/reset-ticket';
import { Seal } from '../../src/auth/domain/seal';
import { VerifiedUserSeal } from '../../src/auth/domain/verified-user';
import { changedTexts } from '../support/changed-texts';

const roots = [{ id: 7, root: Buffer.alloc(32, 1) }];
const seal = new ResetTicketSeal(roots);
const one: ResetTicket = { userId: '42', floor: 3, issuedAt: new Date('2026-01-31T12:00:00.123Z') };

describe('A reset ticket', () => {
  it('opens to what was sealed', () => {
    expect(seal.seal(one)).toMatch(/^ot1_[A-Za-z0-9_-]+$/);
    expect(seal.open(seal.seal(one))).toEqual(one);
  });

  it('is nothing with any one of its characters changed, cut off or added', () => {
    const survivors = [...changedTexts(seal.seal(one), 'ot1_')].filter((text) => seal.open(text) !== null);
    expect(survivors).toEqual([]);
  });

  // Seen red without the comparison of the purpose.
  it('is nothing when the same keys have sealed it for another purpose', () => {
    const tickets = new Seal('ot1_', 'ratchet ot1 ticket', roots);
    const content = [one.userId, one.floor, one.issuedAt.getTime()];
    expect(seal.open(tickets.seal(['password_reset', ...content]))).toEqual(one);
    for (const purpose of ['email_change', '', 'PASSWORD_RESET'])
      expect(seal.open(tickets.seal([purpose, ...content]))).toBeNull();
  });

  it('is neither a sealed user nor a refresh token, nor they a ticket, whatever their prefix', () => {
    const users = new VerifiedUserSeal(roots);
    const ring = new RefreshTokenKeyRing(roots);
    const sessionId = '0190a5c8-7b1a-7cde-8f01-23456789abcd';
    const stamps = { tokenVersion: 3, globalVersionAtIssuance: 1 };
    const user = users.seal({ userId: '42', method: 'password', stamps, authTime: one.issuedAt, sessionId });
    expect(seal.open(user.replace('vu1_', 'ot1_'))).toBeNull();
    expect(seal.open(ring.seal(ring.first(sessionId)).replace('rt1_', 'ot1_'))).toBeNull();
    expect(users.open(seal.seal(one).replace('ot1_', 'vu1_'))).toBeNull();
  });

  it('is sealed by the first key, opened by every key of the ring, and by no other', () => {
    const both = new ResetTicketSeal([{ id: 8, root: Buffer.alloc(32, 2) }, ...roots]);
    expect(both.open(seal.seal(one))).toEqual(one);
    expect(seal.open(both.seal(one))).toBeNull();
    expect(new ResetTicketSeal([{ id: 7, root: Buffer.alloc(32, 3) }]).open(seal.seal(one))).toBeNull();
  });

  // Seen red with `>`.
  it('is over at the moment of its limit', () => {
    const after = (ms: number) => isTooOld(one, 1800, new Date(one.issuedAt.getTime() + ms));
    expect([after(0), after(1_799_999), after(1_800_000)]).toEqual([false, false, true]);
  });
});
