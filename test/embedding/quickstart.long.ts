import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../support/free-port';
import { hostDatabase, hostFolder, packed, ROOT, run } from './support/host';

/** Two installations from the registry. */
jest.setTimeout(480_000);

interface Block {
  readonly language: string;
  readonly code: string;
}

/** A code block as a shell would be told it: a file is written, a command is run. */
const asShell = ({ language, code }: Block): string => {
  if (language === 'sh') return code;
  const [, path] = /^\/\/ (\S+)\n/.exec(code)!;
  return `mkdir -p $(dirname ${path})\ncat > ${path} <<'END_OF_FILE'\n${code}END_OF_FILE\n`;
};

describe('docs/embedding.md, followed word for word', () => {
  let blocks: Block[];

  beforeAll(async () => {
    const text = await readFile(join(ROOT, 'docs/embedding.md'), 'utf8');
    // What the page shows of `examples` is in files already: test/docs/documents.spec.ts compares them.
    blocks = [...text.matchAll(/^```(sh|ts)\n([^]*?)^```$/gm)]
      .map(([, language = '', code = '']) => ({ language, code }))
      .filter(({ code }) => !code.startsWith('// examples/'));
  });

  it.each(['ES modules', 'CommonJS'])(
    'on a new application of %s, a guarded route answers 401 without a token and 200 with one',
    async (kind) => {
      const folder = await hostFolder();
      const database = await hostDatabase();
      const port = String(await freePort());
      await packed(folder);

      // New applications are of Nest 12; nest-versions.long.ts has hosts of 11.
      const created = blocks.find(({ code }) => code.startsWith(`# ${kind}\n`))!;
      const shell = [created, ...blocks.filter(({ code }) => !/^# (ES modules|CommonJS|Nest 11)\n/.test(code))];
      const start = shell.findIndex(({ code }) => code.includes('npm run start:prod'));
      const requests = shell[start + 1]!.code;
      // The files of the whole page, so that all of them are compiled; then the build and the start.
      const files = shell.slice(start + 2);
      const setUp = [...shell.slice(0, start), ...files, shell[start]!].map(asShell).join('\n');
      // The reader's own database, and a port that nobody else has.
      const told = setUp.replace(/^export DATABASE_URL=.*$/m, `export DATABASE_URL='${database.url}' PORT=${port}`);
      // In a process group of its own: npm, the shell and the application end together.
      const server = spawn('bash', ['-ec', told], { cwd: folder, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
      const closed = once(server, 'close');
      try {
        let output = '';
        server.stdout.setEncoding('utf8').on('data', (part: string) => (output += part));
        server.stderr.setEncoding('utf8').on('data', (part: string) => (output += part));
        const ended = once(server, 'exit').then(() => true);
        while (!output.includes('Nest application successfully started')) {
          const over = await Promise.race([once(server.stdout, 'data').then(() => false), ended]);
          if (over) throw new Error(`The application did not start:\n${output}`);
        }
        const answers = await run(requests.replaceAll(':3000', `:${port}`), folder);
        expect(answers.trim().split('\n')).toEqual([...requests.matchAll(/# (\d{3})$/gm)].map(([, status]) => status));
        expect(answers).toBe('401\n201\n409\n200\n200\n');
        expect(await readFile(join(folder, 'answer.txt'), 'utf8')).toMatch(/^[\da-f-]{36}$/);
        expect(await run('node --test dist/people/whoami.test.js', join(folder, 'ledger'))).toContain('# fail 0');
      } finally {
        process.kill(-server.pid!, 'SIGTERM');
        await closed;
        await database.drop();
        await rm(folder, { recursive: true, force: true });
      }
    },
  );
});
