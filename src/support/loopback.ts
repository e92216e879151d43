/** The names and addresses of one's own machine, as URLs write them. */
const LOOPBACK: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

/** An origin, and the other spellings of one that is on this machine: people open by one name what listens on another. */
export function spellingsOf(origin: string | null): readonly string[] {
  if (origin === null) return [];
  const { protocol, hostname, port } = new URL(origin);
  if (!LOOPBACK.includes(hostname) || !/^https?:$/.test(protocol)) return [origin];
  return LOOPBACK.map((name) => `${protocol}//${name}${port === '' ? '' : `:${port}`}`);
}

/** Whether nobody between could read or change what is sent there: https, or http that does not leave this machine. */
export const isHttpsOrLoopback = ({ protocol, hostname }: URL): boolean =>
  protocol === 'https:' || (protocol === 'http:' && LOOPBACK.includes(hostname));
