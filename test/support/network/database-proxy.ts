import type { NetConnectOpts } from 'node:net';
import { TcpProxy } from './tcp-proxy';

/** A proxy in front of a database server, and the address of the same database behind it. */
export async function proxyOf(databaseUrl: string): Promise<{ proxy: TcpProxy; url: string }> {
  const proxy = await TcpProxy.start(serverOf(databaseUrl));
  return { proxy, url: atPort(databaseUrl, proxy.port) };
}

/** The same database, reached through a port of this machine. */
export function atPort(databaseUrl: string, port: number): string {
  const url = new URL(databaseUrl);
  url.searchParams.delete('host');
  url.hostname = '127.0.0.1';
  url.port = String(port);
  return url.href;
}

/** Where a server listens: the embedded one at a unix socket. */
export function serverOf(databaseUrl: string): NetConnectOpts {
  const { hostname: host, port, searchParams } = new URL(databaseUrl);
  const folder = searchParams.get('host');
  return folder === null
    ? { host, port: Number(port || 5432) }
    : { path: `${folder}/.s.PGSQL.${port === '' ? 5432 : port}` };
}
