import { networkOf, siteOf, sourceOf, unmapped } from '../../src/auth/domain/network';

describe('the network of an address', () => {
  // Seen red with the groups compared as they are written: 198.51.100.10 had six buckets, and shared one with everyone.
  it.each([
    ['an IPv4 address', '198.51.100.10', ['198.51.100.10']],
    [
      'an IPv4 address that a dual-stack socket has written',
      '198.51.100.10',
      [
        '::ffff:198.51.100.10',
        '::FFFF:c633:640a',
        '::ffff:C633:640A',
        '0:0:0:0:0:ffff:c633:640a',
        '0000::ffff:198.51.100.10',
      ],
    ],
    [
      'an IPv4 address behind NAT64',
      '198.51.100.10',
      ['64:ff9b::c633:640a', '64:ff9b::198.51.100.10', '0064:FF9B:0::C633:640A'],
    ],
    [
      'a customer of IPv6',
      '2001:db8:0:7',
      ['2001:db8:0:7::1', '2001:DB8:0:7:ffff::', '2001:0db8:0000:0007:0:0:0:1', '2001:db8:0:7::198.51.100.10'],
    ],
    ['the loopback of IPv6', '0:0:0:0', ['::1', '0::1']],
  ])('of %s is %s in every spelling', (_, network, spellings) => {
    for (const spelling of spellings) expect([spelling, networkOf(spelling)]).toEqual([spelling, network]);
  });

  it('is another for another', () => {
    const networks = [
      '198.51.100.10',
      '198.51.100.11',
      '2001:db8:0:7::1',
      '2001:db8:0:8::1',
      '64:ff9b::1',
      '64:ff9b:1::1',
    ];
    expect(new Set(networks.map(networkOf)).size).toBe(networks.length);
  });

  it.each([
    ['2001:db8:0:7', '2001:db8:0::/48'],
    ['2001:db8:0:8', '2001:db8:0::/48'],
    ['2001:db8:1:7', '2001:db8:1::/48'],
    ['2001:db8:0:beef', '2001:db8:0::/48'],
    ['2001:db8:0:7:1', null],
    ['2001:db8:0:7x', null],
    ['198.51.100.10', null],
    ['an account 2001:db8:0:7', null],
    ['', null],
  ])('of %s is in the site %s', (network, site) => expect(siteOf(network)).toBe(site));

  it('is one source, and so is everyone without an address', () => {
    expect(['2001:db8:0:7::1', '198.51.100.10', null].map(sourceOf)).toEqual(['2001:db8:0:7', '198.51.100.10', '']);
  });

  it('of what is no address, such as a proxy may write, is something', () => {
    expect(networkOf('1:2:3:4:5:6:7:8:9')).toBe('1:2:3:4');
    expect(networkOf('unknown')).toBe('unknown');
  });

  it('is recorded as the socket should have written it', () => {
    expect(unmapped('::ffff:c633:640a')).toBe('198.51.100.10');
    for (const other of ['198.51.100.10', '64:ff9b::c633:640a', '2001:DB8::1']) expect(unmapped(other)).toBe(other);
  });
});
