import fc from 'fast-check';
import { JunkLimit } from '../../src/auth/infrastructure/events/junk-limit';

const NOW = new Date('2025-11-20T12:00:00.000Z');
const inSecond = (second: number) => new Date(NOW.getTime() + second * 1_000);

/** How many of `ips`, all in one second unless told otherwise, get a record of their own. */
const allowed = (limit: JunkLimit, ips: (string | null)[], now = NOW) =>
  ips.filter((ip) => limit.allows(ip, now)).length;
const same = (ip: string | null, times: number) => Array<string | null>(times).fill(ip);
const different = (count: number) => Array.from({ length: count }, (_, i) => `10.0.${i >> 8}.${i & 255}`);

describe('the limit of junk', () => {
  it('records ten of an address and minute one by one, and counts the rest', () => {
    const limit = new JunkLimit();
    expect(allowed(limit, same('192.0.2.1', 50))).toBe(10);
    expect(allowed(limit, same('192.0.2.1', 50), inSecond(30))).toBe(0);
    expect(allowed(limit, same('192.0.2.2', 3))).toBe(3);
    expect(limit.take()).toEqual({ count: 90, distinctIps: 1 });
    expect(allowed(limit, same('192.0.2.1', 50), inSecond(60))).toBe(10);
    expect(limit.take()).toEqual({ count: 40, distinctIps: 1 });
    expect(limit.take()).toEqual({ count: 0, distinctIps: 0 });
  });

  it('records 100 of a second, whoever they come from', () => {
    const limit = new JunkLimit();
    expect(allowed(limit, different(250))).toBe(100);
    expect(allowed(limit, different(250), inSecond(0.999))).toBe(0);
    expect(allowed(limit, different(250), inSecond(1))).toBe(100);
    expect(limit.take()).toEqual({ count: 150 + 250 + 150, distinctIps: 250 });
  });

  it.each([
    ['addresses of one /64', ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2::'], 10],
    ['a /64 with a zero that may be left out', ['2001:db8::1', '2001:db8:0:0:1::1', '2001:db8:0:0:2:3:4:5'], 10],
    ['the loopback and its neighbours', ['::1', '::2', '::'], 10],
    ['two /64', ['2001:db8:1:2::1', '2001:db8:1:3::1'], 20],
    ['two /64 that differ behind an omission', ['2001:db8::1:0:0:0:1', '2001:db8::1'], 20],
    ['two IPv4 addresses', ['192.0.2.1', '192.0.2.2'], 20],
    ['callers without an address', [null], 10],
  ])('takes for one: %s', (_who, ips, expected) => {
    expect(allowed(new JunkLimit(), Array<(string | null)[]>(30).fill(ips).flat())).toBe(expected);
  });

  it('knows a /64 however its addresses are written', () => {
    const group = fc.integer({ min: 1, max: 0xffff }).map((value) => value.toString(16));
    const groups = (length: number) => fc.array(group, { minLength: length, maxLength: length });
    fc.assert(
      fc.property(groups(4), groups(4), groups(4), (prefix, one, other) => {
        const limit = new JunkLimit();
        expect(allowed(limit, same([...prefix, ...one].join(':'), 10))).toBe(10);
        expect(allowed(limit, [[...prefix, ...other].join(':'), `${prefix.join(':')}::${other[0]}`])).toBe(0);
      }),
    );
  });

  it('remembers at most 10,000 addresses', () => {
    const limit = new JunkLimit();
    let recorded = 0;
    for (let i = 0; i < 30_000; i++) {
      // 99 a second, so that the other limit stays out of it.
      recorded += allowed(limit, [`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`], inSecond(Math.floor(i / 99)));
    }
    expect(recorded).toBe(10_000);
    expect(limit.take()).toEqual({ count: 20_000, distinctIps: 10_000 });
  });
});
