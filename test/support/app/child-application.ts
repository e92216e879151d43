import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';

const ROOT = resolve(__dirname, '../../..');
const stale = jest.requireActual<{ mustBuild(): boolean }>('../../../scripts/stale.mjs');

const COMMANDS = {
  source: ['-r', '@swc-node/register', resolve(ROOT, 'src/main.ts')],
  build: [resolve(ROOT, 'dist/main.js')],
};

/** `npm run` has built it; whoever runs a file alone may not have. */
export function buildIfStale(): void {
  if (stale.mustBuild()) execFileSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, stdio: 'inherit' });
}

/** The application in a process of its own, from its source or its build, in the working folder `folder`. */
export function spawnApplication(
  folder: string,
  env: Readonly<Record<string, string>> = {},
  from: keyof typeof COMMANDS = 'source',
) {
  const child = spawn(process.execPath, COMMANDS[from], {
    cwd: folder,
    env: {
      PATH: process.env['PATH'],
      NODE_PATH: resolve(ROOT, 'node_modules'),
      TS_NODE_PROJECT: resolve(ROOT, 'tsconfig.json'),
      PORT: '0',
      BCRYPT_COST: '4',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  /** The exit code; null after a death by signal. */
  const exited = once(child, 'close').then(([code]) => code as number | null);

  /** Resolves with the address once the application says that it listens. */
  const listening = async (): Promise<string> => {
    for (;;) {
      const url = /Ratchet is running on (\S+)/.exec(output.stdout)?.[1];
      if (url !== undefined) return url;
      const ended = await Promise.race([once(child.stdout, 'data').then(() => false), exited.then(() => true)]);
      if (ended) throw new Error(`It ended before it listened: ${output.stderr}`);
    }
  };
  return { child, output, exited, listening };
}
