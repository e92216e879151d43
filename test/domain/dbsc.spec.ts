import {
  isSameKey,
  isSignedByDevice,
  parseSignedChallenge,
  registeredKeyOf,
  SessionChallenges,
  type SignedChallenge,
} from '../../src/auth/domain/dbsc';
import { Device } from '../support/dpop';

const root = (id: number) => ({ id, root: Buffer.alloc(32, id + 1) });
const FRESH = 1200;
const challenges = new SessionChallenges([root(0)], FRESH);
const NOW = new Date('2026-01-01T00:00:00Z');
const later = (seconds: number, ms = 0): Date => new Date(NOW.getTime() + seconds * 1000 + ms);

const parsed = (jws: string): SignedChallenge => {
  const found = parseSignedChallenge(jws);
  if (found === null) throw new Error('It was not read');
  return found;
};
const jwkOf = ({ jwk }: Device) => jwk as Record<string, string>;

describe('A challenge of a bound session', () => {
  it('is fresh for its session and its time, to the second', () => {
    const challenge = challenges.challengeOf('one', NOW);
    expect(challenges.isFresh(challenge, 'one', NOW)).toBe(true);
    expect(challenges.isFresh(challenge, 'one', later(FRESH, 999))).toBe(true);
    expect(challenges.isFresh(challenge, 'one', later(FRESH + 1))).toBe(false);
    expect(challenges.isFresh(challenge, 'other', NOW)).toBe(false);
    // Of an instance whose clock is ahead.
    expect(challenges.isFresh(challenge, 'one', later(-5))).toBe(true);
  });

  it('is accepted by every instance with the keys, and by no other', () => {
    const challenge = challenges.challengeOf('one', NOW);
    expect(new SessionChallenges([root(1), root(0)], FRESH).isFresh(challenge, 'one', NOW)).toBe(true);
    expect(new SessionChallenges([root(1)], FRESH).isFresh(challenge, 'one', NOW)).toBe(false);
    for (const junk of ['', 'junk', `${challenge}x`]) expect(challenges.isFresh(junk, 'one', NOW)).toBe(false);
  });

  it('has the published form, and so does an authorization: what is out there stays valid', () => {
    const made = new SessionChallenges([root(0)], FRESH);
    expect([made.challengeOf('one', NOW), made.authorizationOf('one', NOW)]).toEqual([
      'AFsib25lIiwxNzY3MjI1NjAwXcbWRsWCb0Yg7xXOb-hnK3Mdiqj85WQVGM4tvrnPnKlT',
      'AFsib25lIiwxNzY3MjI1NjAwXVJdMvRc2ryTzgkvi2SGPurJtNiZxlqOUUiY8YVlmpa-',
    ]);
  });

  it('invites nobody: that takes the authorization, for five minutes', () => {
    const device = new Device();
    const challenge = challenges.challengeOf('one', NOW);
    const authorization = challenges.authorizationOf('one', NOW);
    const invited = (parts: { challenge: string; authorization?: string }, now = NOW, id = 'one') =>
      challenges.isInvited(parsed(device.registration(parts)), id, now);
    expect(invited({ challenge, authorization })).toBe(true);
    expect(invited({ challenge, authorization }, later(300, 999))).toBe(true);
    expect(invited({ challenge, authorization }, later(301))).toBe(false);
    expect(invited({ challenge, authorization }, NOW, 'other')).toBe(false);
    expect(invited({ challenge })).toBe(false);
    expect(invited({ challenge, authorization: challenge })).toBe(false);
    expect(invited({ challenge: authorization, authorization })).toBe(false);
    expect(challenges.isFresh(authorization, 'one', NOW)).toBe(false);
    // Each has a time of its own.
    const old = later(-301);
    expect(invited({ challenge: challenges.challengeOf('one', old), authorization })).toBe(false);
    expect(invited({ challenge, authorization: challenges.authorizationOf('one', old) })).toBe(false);
  });
});

describe('What a browser signs', () => {
  it.each(['ES256', 'RS256'] as const)('is read with a key of %s, as a token and as a string', (alg) => {
    const device = new Device(alg);
    const jws = device.registration({ challenge: 'c', authorization: 'a' });
    for (const header of [jws, `"${jws}"`])
      expect(parseSignedChallenge(header)).toMatchObject({ challenge: 'c', authorization: 'a', key: { alg } });
    expect(registeredKeyOf(parsed(jws))).toEqual(device.jwk);
    const response = parsed(device.response('c'));
    expect(response).toMatchObject({ challenge: 'c', authorization: undefined, key: null });
    expect(isSignedByDevice(response, { jwk: jwkOf(device) })).toBe(true);
    expect(isSignedByDevice(response, { jwk: jwkOf(new Device(alg)) })).toBe(false);
    expect(isSignedByDevice(response, { jwk: {} })).toBe(false);
  });

  it('registers no key without the signature of this key', () => {
    const [device, other] = [new Device(), new Device()];
    expect(registeredKeyOf(parsed(device.response('c')))).toBeNull();
    expect(registeredKeyOf(parsed(device.registration({ challenge: 'c' }, { jwk: other.jwk })))).toBeNull();
    expect(registeredKeyOf(parsed(device.registration({ challenge: 'c' }, { jwk: device.privateJwk })))).toBeNull();
    expect(registeredKeyOf(parsed(device.registration({ challenge: 'c' }, { jwk: 'text' })))).toBeNull();
  });

  const device = new Device();
  const claims = (payload: object): string => {
    const [header, , signature] = device.response('c').split('.');
    return [header, Buffer.from(JSON.stringify(payload)).toString('base64url'), signature].join('.');
  };
  it.each([
    ['no JWS', 'junk'],
    ['half of a string', `"${device.response('c')}`],
    ['a string after something', device.response('c').replace(/^(.)(.*)$/, '$1"$2"')],
    ['a string before something', device.response('c').replace(/^(.*)(.)$/, '"$1"$2')],
    ['of another type', device.response('c', { typ: 'dpop+jwt' })],
    ['without a type', device.response('c', { typ: undefined })],
    ['with an extension', device.response('c', { crit: ['exp'] })],
    ['without an algorithm', device.response('c', { alg: undefined })],
    ['by Ed25519', new Device('EdDSA').response('c')],
    ['by a symmetric key', device.response('c', { alg: 'HS256' })],
    ['of more than 4,096 characters', device.response('c', { padding: 'x'.repeat(4000) })],
    ['without a challenge', claims({})],
    ['with a number for a challenge', claims({ jti: 1 })],
    ['with a number for an authorization', claims({ jti: 'c', authorization: 1 })],
    ['with a list for claims', claims([])],
  ])('is not read where it is %s', (_, header) => {
    expect(parseSignedChallenge(header)).toBeNull();
  });

  it('of 4,096 characters is read', () => {
    const some = ['c', 'cc'].flatMap((challenge) =>
      Array.from({ length: 12 }, (_, more) => device.response(challenge, { padding: 'x'.repeat(2944 + more) })),
    );
    const longest = some.find(({ length }) => length === 4096) ?? '';
    expect(parseSignedChallenge(longest)).not.toBeNull();
  });
});

describe('Two keys', () => {
  it('are the same by what they are, whatever else their JWK says', () => {
    const [device, other] = [new Device(), new Device()];
    expect(isSameKey(jwkOf(device), { ...jwkOf(device), use: 'sig' })).toBe(true);
    expect(isSameKey(jwkOf(device), jwkOf(other))).toBe(false);
    expect(isSameKey({}, {})).toBe(false);
    expect(isSameKey(jwkOf(device), {})).toBe(false);
    expect(isSameKey({}, jwkOf(device))).toBe(false);
  });
});
