import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';

export interface Asset {
  readonly type: string;
  readonly content: string;
}

/** `scripts/build-console.mjs` writes them; the same place from the sources and from the build. */
const FOLDER = join(__dirname, '../../dist/console/assets');

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
};

const known = new Map<string, ReadonlyMap<string, Asset>>();

/**
 * The files of the console by name, read when they are asked for first. `routes` is the way from the page to the routes of
 * auth.
 */
export function assets(routes: string): ReadonlyMap<string, Asset> {
  const read = known.get(routes) ?? new Map(readdirSync(FOLDER).map((name) => [name, assetOf(name, routes)]));
  known.set(routes, read);
  return read;
}

function assetOf(name: string, routes: string): Asset {
  const content = readFileSync(join(FOLDER, name), 'utf8').replace('%ROUTES%', routes);
  return { type: TYPES[extname(name)] ?? 'application/octet-stream', content };
}
