import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { storageContract } from '../../src/testing';
import { INSTALLATION_MS, installedExample, run } from './support/host';

jest.setTimeout(120_000);

const CONDITION = 'if (session === null || !isLive(session, live, now))';
/** The cases that a rotation without its condition breaks, and the adoption, which it is one case of. */
const OF_ROTATE = [
  'is false after another rotation, and writes nothing',
  'is false after a log-out, and writes nothing',
  'is false after its expiry, and writes nothing',
  'is false for another digest, and writes nothing',
  'is false for an older generation, and writes nothing',
  'is false for a newer generation, and writes nothing',
  'succeeds for one of twenty at once, with one record',
  'leaves no survivor of a log-out at the same time',
  'answers false when a log-out that came first commits',
].map((name) => `SessionRepository: rotate ${name}`);
const OF_ADOPT = [
  ...OF_ROTATE.slice(0, 6).map((name) => name.replace('rotate', 'adopt')),
  'SessionRepository: adopt succeeds for one of twenty at once, rotations among them, with one record',
];
/** The proof of a step-up is in the same write, which the contract asks of both first. */
const OF_THE_PROOF = ['rotate', 'adopt'].map(
  (write) => `SessionRepository: the proof of a step-up is not written by ${write} once the token is not the live one`,
);
const OF_THE_CONDITION = [...OF_THE_PROOF, ...OF_ROTATE, ...OF_ADOPT];

describe('the packed package beside examples/other-store, which keeps its state in a store of its own', () => {
  let folder: string;
  beforeAll(async () => {
    ({ folder } = await installedExample('other-store'));
  }, INSTALLATION_MS);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** The names of the tests that passed, and of those that failed. */
  async function outcome(built: string) {
    const output = await run(`node --test --test-reporter=tap ${built}/storage.test.js || true`, folder);
    const named = (verdict: string) =>
      [...output.matchAll(new RegExp(`^ *${verdict} \\d+ - (.*)$`, 'gm'))]
        .map(([, name = '']) => name.replaceAll('\\#', '#').replaceAll('\\\\', '\\'))
        .filter((name) => !name.endsWith('storage.test.js'));
    return { passed: named('ok'), failed: named('not ok'), output };
  }

  // Seen red with a floor that may fall.
  it('keeps every promise of a storage, and auth signs a user in on it', async () => {
    const { passed, failed } = await outcome('dist');
    expect(failed).toEqual([]);
    const names = storageContract({ make: () => Promise.reject(new Error('not run here')) }).map(({ name }) => name);
    expect(passed).toEqual([...names, 'auth signs a user in and refreshes on this storage']);
  });

  // Seen red with a copy that keeps its condition.
  it('is seen when a copy of it rotates without a condition', async () => {
    await cp(join(folder, 'dist'), join(folder, 'unconditional'), { recursive: true });
    const path = join(folder, 'unconditional/sessions.js');
    const [before, after, ...more] = (await readFile(path, 'utf8')).split(CONDITION);
    expect([after, more]).toEqual([expect.any(String), []]);
    await writeFile(path, [before, after].join('if (session === null)'));
    const { failed, output } = await outcome('unconditional');
    expect(failed).toEqual(OF_THE_CONDITION);
    // The assertions fail, not the machinery around them.
    expect(output.match(/^ *code: 'ERR_ASSERTION'$/gm)).toHaveLength(failed.length);
  });
});
