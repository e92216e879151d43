import { dirname, join, normalize } from 'node:path/posix';

// What the package must hold, and may hold, by its own manifest. Pure, so that a test can show each complaint.

const textsIn = (value) => (typeof value === 'string' ? [value] : Object.values(value ?? {}).flatMap(textsIn));
const ALWAYS = ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md'];

/** A module and its declarations are one: `index.js` with `index.d.ts`, `index.mjs` with `index.d.mts`. */
const stemOf = (path) => path.replace(/\.d\.(m?)ts$/, '.$1js');

/**
 * What is wrong with the package's contents.
 * @param manifest package.json
 * @param packed the paths that npm packs
 * @param read returns the text of one of them
 */
export function problemsOfContents(manifest, packed, read) {
  const files = new Set(packed);
  const { exports, main, types, bin, typesVersions } = manifest;
  const named = textsIn([exports, main, types, bin, typesVersions]).map((path) => normalize(path));
  const reached = new Set(ALWAYS);
  const broken = [];
  const waiting = [...named];
  for (let path; (path = waiting.pop()) !== undefined;) {
    if (reached.has(path) || !files.has(path)) continue;
    reached.add(path);
    if (!/\.([cm]?js|d\.m?ts)$/.test(path)) continue;
    waiting.push(path.replace(/\.(m?)js$/, '.d.$1ts'));
    for (const [, keyword, relative] of read(path).matchAll(
      /(require\(|from|import\(?)?\s*["'`](\.\.?\/[^"'`\s]+)["'`]/g,
    )) {
      const target = join(dirname(path), relative);
      const end = /\.d\.m?ts$/.test(path) ? '.d.ts' : '.js';
      const found = ['', end, `/index${end}`].map((rest) => target + rest).filter((one) => files.has(one));
      if (keyword !== undefined && found.length === 0) broken.push(`${path} loads ${target}, which is missing`);
      waiting.push(...found);
    }
  }
  const stems = new Set([...reached].map(stemOf));
  return [
    ...[...new Set([...named, ...ALWAYS])].filter((path) => !files.has(path)).map((path) => `${path} is missing`),
    ...broken,
    ...packed
      .filter((path) => !stems.has(stemOf(path)) && !path.startsWith('dist/console/assets/'))
      .map((path) => `${path} is superfluous: no door and no command loads it`),
  ];
}
