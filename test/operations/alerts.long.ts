import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { describeWith } from '../support/describe-with';

const DEPLOY = resolve(__dirname, '../../deploy');
const run = promisify(execFile);

describeWith('/usr/bin/promtool', 'prometheus')('promtool', () => {
  it.each(['prometheus-rules.test.yml', 'prometheus-rules.slow.test.yml'])(
    'finds that the alerts of %s fire when they should',
    async (file) => {
      const found = await run('promtool', ['test', 'rules', file], { cwd: DEPLOY }).catch(
        (error: unknown) => error as { stdout: string; stderr: string },
      );
      expect(`${found.stdout}${found.stderr}`).toMatch(/SUCCESS\s*$/);
    },
    180_000,
  );
});
