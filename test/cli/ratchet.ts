import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { newAccessTokenKey } from '../../src/new-keys';
import type { Json } from '../support/app/test-application';

// Each command loads auth, and compiles it first.
jest.setTimeout(90_000);

export type Env = Readonly<Record<string, string>>;

/** The same for the command line and for an application beside it. */
export const SECRETS: Env = {
  // By default it is the address, and each process has its own.
  ACCESS_TOKEN_ISSUER: 'https://auth.example',
  ACCESS_TOKEN_KEYS: `test:${newAccessTokenKey('HS256')}`,
  REFRESH_TOKEN_KEYS: `0:${randomBytes(32).toString('base64')}`,
};

export const settings = (databaseUrl: string): Env => ({ ...SECRETS, NODE_ENV: 'test', DATABASE_URL: databaseUrl });

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The parsed standard output. */
  readonly json: Json;
}

/** Has nothing of this process's environment, so that no setting of the machine decides a test. */
export function start(source: string, args: readonly string[], env: Env, cwd: string): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, ['-r', require.resolve('@swc-node/register'), resolve(source), ...args], {
    cwd,
    env: { PATH: process.env.PATH, SWC_NODE_PROJECT: resolve('tsconfig.json'), ...env },
  });
}

/** Runs `ratchet …`; whatever it prints, no secret is among it. */
export async function ratchet(args: readonly string[], env: Env, { input = '', cwd = '/' } = {}): Promise<Outcome> {
  const child = start('src/cli/main.ts', args, env, cwd);
  const outcome = finished(child);
  child.stdin.end(input);
  return outcome;
}

export async function finished(child: ChildProcessWithoutNullStreams): Promise<Outcome> {
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => (output[stream] += text));
  }
  const [code] = (await once(child, 'close')) as [number | null];
  const printed = output.stdout + output.stderr;
  for (const ring of Object.values(SECRETS)) expect(printed).not.toContain(ring.split(':')[1]);
  expect(printed).not.toMatch(/rt1_|eyJ|\$2[aby]\$/);
  return {
    code,
    ...output,
    get json() {
      return JSON.parse(output.stdout);
    },
  };
}

/** Failed with this code, in one line that says this, and without a stack. */
export function expectFailure(outcome: Outcome, code: number, message: RegExp | string): void {
  expect(outcome).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(message) });
  expect(outcome.stderr).toMatch(/^ratchet: [^\n]+\n$/);
  expect(outcome.stderr).not.toMatch(/\bat .*[/(].*:\d+/);
}
