import { sourceOf } from '../../domain/network';

const PER_IP_AND_MINUTE = 10;
const PER_SECOND = 100;
const MAX_IPS = 10_000;

/** Which junk is recorded one by one: 10 per ip (IPv6: per /64) and minute, 100 per second and process. The rest is counted. */
export class JunkLimit {
  private readonly perIp = new Map<string, number>();
  private second = 0;
  private inSecond = 0;
  private count = 0;
  private readonly ips = new Set<string>();

  /** Whether this one gets a record of its own; otherwise it has been counted. */
  allows(ip: string | null, now: Date): boolean {
    const source = sourceOf(ip);
    const second = Math.floor(now.getTime() / 1000);
    if (second !== this.second) {
      this.second = second;
      this.inSecond = 0;
    }
    const seen = this.perIp.get(source) ?? 0;
    if (seen < PER_IP_AND_MINUTE && this.inSecond < PER_SECOND && this.perIp.size < MAX_IPS) {
      this.perIp.set(source, seen + 1);
      this.inSecond++;
      return true;
    }
    this.add(ip);
    return false;
  }

  /** Counts one that gets no record of its own. */
  add(ip: string | null): void {
    this.count++;
    if (this.ips.size < MAX_IPS) this.ips.add(sourceOf(ip));
  }

  /** Ends a minute: what was only counted in it. */
  take(): { count: number; distinctIps: number } {
    const taken = { count: this.count, distinctIps: this.ips.size };
    this.count = 0;
    this.ips.clear();
    this.perIp.clear();
    return taken;
  }
}
