import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

// The application and npm are stand-ins here: what is under test is when each is started, and how it is stopped.

const application = `
  let times = 0;
  process.on('SIGINT', () => console.log('asked to stop', ++times));
  process.stdin.resume().on('end', () => process.exit(7));
  console.log('running');
`;
const npm = `#!/bin/sh
echo "npm $*"
test -e offline && exit 3
case "$1" in
  ci) mkdir -p node_modules && touch node_modules/.package-lock.json ;;
  run) mkdir -p dist/console/assets && cp application dist/main.js && touch dist/console/assets/LICENSES.txt ;;
esac
`;

describe('npm run up', () => {
  let folder: string;
  let up: ChildProcess;
  let output: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ratchet-up-'));
    for (const name of ['scripts', 'src', 'console', 'bin']) mkdirSync(join(folder, name));
    for (const name of ['up.mjs', 'stale.mjs']) {
      cpSync(resolve(__dirname, '../../scripts', name), join(folder, 'scripts', name));
    }
    writeFileSync(join(folder, 'package-lock.json'), '{}');
    writeFileSync(join(folder, 'application'), application);
    writeFileSync(join(folder, 'bin/npm'), npm, { mode: 0o755 });
  });

  afterEach(() => {
    up.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  });

  function start(): void {
    output = '';
    up = spawn(process.execPath, [join(folder, 'scripts/up.mjs')], {
      env: { ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}` },
      detached: true,
    });
    for (const stream of [up.stdout, up.stderr]) stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  }

  async function printed(text: string): Promise<void> {
    while (!output.includes(text)) await once(up.stdout!, 'data');
  }

  async function end(): Promise<number | null> {
    up.stdin!.end();
    const [code] = (await once(up, 'close')) as [number | null];
    return code;
  }

  it('installs and builds on a fresh clone, and afterwards only what has become stale', async () => {
    start();
    await end();
    expect(output).toBe('npm ci --include=dev\nnpm run build\nrunning\n');

    start();
    await end();
    expect(output).toBe('running\n');

    // As after a build that was interrupted. Seen red with a look at dist/main.js, which is written first.
    rmSync(join(folder, 'dist/console'), { recursive: true });
    start();
    await end();
    expect(output).toBe('npm run build\nrunning\n');

    const later = new Date(Date.now() + 60_000);
    writeFileSync(join(folder, 'src/main.ts'), '');
    utimesSync(join(folder, 'src/main.ts'), later, later);
    start();
    await end();
    expect(output).toBe('npm run build\nrunning\n');
  });

  it('says what is needed when the installation fails, and ends with its exit code', async () => {
    writeFileSync(join(folder, 'offline'), '');
    start();

    expect(await end()).toBe(3);
    expect(output).toContain('Node 20.19');
    expect(output).not.toContain('running');
  });

  // Which of them mean "at once" is the application's to say.
  it('passes each signal to the application, and ends after it with its exit code', async () => {
    start();
    await printed('running');

    process.kill(-up.pid!, 'SIGINT');
    await printed('asked to stop 1');
    up.kill('SIGINT');
    await printed('asked to stop 2');
    expect(up.exitCode).toBeNull();

    expect(await end()).toBe(7);
  });
});
