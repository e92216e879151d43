import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

type Contents = (manifest: object, packed: readonly string[], read: (path: string) => string) => string[];
const { problemsOfContents } = jest.requireActual<{ problemsOfContents: Contents }>(
  '../../scripts/package-contents.mjs',
);

const ROOT = resolve(__dirname, '../..');
const read = (path: string) => readFileSync(resolve(ROOT, path), 'utf8');
const manifest = JSON.parse(read('package.json')) as { version: string };

it('documents and examples name the tarball of this version', () => {
  const examples = ['host-app', 'orders-service', 'other-store', 'other-users'].map(
    (name) => `examples/${name}/package.json`,
  );
  for (const path of ['docs/embedding.md', ...examples]) {
    const named = [...read(path).matchAll(/nest-ratchet-(\d.*?)\.tgz/g)].map(([, version]) => version);
    expect([path, ...new Set(named)]).toEqual([path, manifest.version]);
  }
});

describe('the package, of the present build', () => {
  const [{ files }] = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--json'], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  ) as [{ files: { path: string }[] }];
  const packed = files.map(({ path }) => path);

  it('holds every door, the command and the documents, and nothing that none of them loads', () => {
    expect(problemsOfContents(manifest, packed, read)).toEqual([]);
    expect(
      packed.filter(
        (path) => /(^|\/)(test|main\.js|\.env)|\.map$|\.tgz$/.test(path) && !/^dist\/(testing|cli\/main)/.test(path),
      ),
    ).toEqual([]);
    expect(packed).toEqual(
      expect.arrayContaining([
        'bin/ratchet.cjs',
        'dist/cli/main.js',
        'dist/console/assets/index.html',
        'dist/auth/infrastructure/postgres/migrations/1763683200000-baseline.js',
        'LICENSE',
      ]),
    );
  });

  it.each(['dist/resource-server/nest.d.ts', 'dist/browser/devices.mjs', 'dist/index.js', 'CHANGELOG.md'])(
    'without %s it is incomplete',
    (path) => {
      expect(
        problemsOfContents(
          manifest,
          packed.filter((one) => one !== path),
          read,
        ),
      ).toContain(`${path} is missing`);
    },
  );

  it('without a module that another loads it is broken', () => {
    const path = 'dist/guard/versions.js';
    expect(
      problemsOfContents(
        manifest,
        packed.filter((one) => one !== path),
        read,
      ),
    ).toContain('dist/guard/index.js loads dist/guard/versions, which is missing');
  });

  it('with a file of the application alone it holds too much', () => {
    expect(problemsOfContents(manifest, [...packed, 'dist/app.module.js'], read)).toEqual([
      'dist/app.module.js is superfluous: no door and no command loads it',
    ]);
  });
});
