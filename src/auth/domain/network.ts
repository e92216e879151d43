/** An IPv6 prefix of 96 bits, as groups, in front of an IPv4 address. */
const MAPPED = [0, 0, 0, 0, 0, 0xffff]; // RFC 4291 section 2.5.5.2: what a dual-stack socket writes
const NAT64 = [0x64, 0xff9b, 0, 0, 0, 0]; // RFC 6052 section 2.1

/** The IPv4 address that a dual-stack socket has written into an IPv6 one, in any spelling; other addresses unchanged. */
export const unmapped = (ip: string): string => (ip.includes(':') && ipv4Behind(MAPPED, groupsOf(ip))) || ip;

/**
 * The network of an address for counting, in one spelling: an IPv6 customer has a /64, so all of its addresses count
 * together. IPv4 addresses behind a shared prefix count as themselves.
 */
export function networkOf(ip: string): string {
  if (!ip.includes(':')) return ip;
  const groups = groupsOf(ip);
  const behind = ipv4Behind(MAPPED, groups) ?? ipv4Behind(NAT64, groups);
  return (
    behind ??
    groups
      .slice(0, 4)
      .map((group) => group.toString(16))
      .join(':')
  );
}

/** The /48 around a network of IPv6 as {@link networkOf} writes it, which one site may have (RFC 6177); null of anything else. */
export function siteOf(network: string): string | null {
  const site = /^([\da-f]{1,4}(?::[\da-f]{1,4}){2}):[\da-f]{1,4}$/.exec(network)?.[1];
  return site === undefined ? null : `${site}::/48`;
}

/** What is counted as one source: a network, or all requests without an address. */
export const sourceOf = (ip: string | null): string => (ip === null ? '' : networkOf(ip));

function ipv4Behind(prefix: readonly number[], groups: readonly number[]): string | null {
  const [high = 0, low = 0] = groups.slice(6);
  return prefix.every((group, at) => group === groups[at])
    ? [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.')
    : null;
}

/** The eight groups of an IPv6 address. */
function groupsOf(ip: string): number[] {
  const hex = ip.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)/, (_, a, b, c, d) =>
    [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)].map((group) => group.toString(16)).join(':'),
  );
  const written = hex.split(':').filter(Boolean).length;
  return hex
    .replace('::', `:${'0:'.repeat(Math.max(0, 8 - written))}`)
    .split(':')
    .filter(Boolean)
    .map((group) => Number.parseInt(group, 16));
}
