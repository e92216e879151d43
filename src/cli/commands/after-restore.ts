import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { CommandBus } from '@nestjs/cqrs';
import type { Command } from 'commander';
import { RecoverAfterRestoreCommand } from '../../index';
import { operator } from '../arguments';
import { Failure } from '../failure';
import type { Shell } from '../shell';
import { numberText } from '../../support/texts';
import { table } from '../text';

export function afterRestore(program: Command, shell: Shell): void {
  program
    .command('after-restore')
    .description('make a restored database safe before it serves: refuse every token, end every session')
    .option('--yes', 'do not ask')
    .action(async ({ yes }: { yes?: true }) => {
      if (!yes && !(await shell.unlessInterrupted(confirmed))) throw new Failure('Nothing has been changed');
      await shell.withAuth(async (app) => {
        const recovery = await app.get(CommandBus).execute(new RecoverAfterRestoreCommand(operator()));
        shell.print(
          recovery,
          table([
            ['version', `${recovery.previousVersion} -> ${recovery.newVersion}`],
            ['sessions', `${numberText(recovery.revokedSessions)} ended`],
          ]),
        );
      });
    });
}

async function confirmed(): Promise<boolean> {
  process.stderr.write('This signs everyone out, for good. Type yes to continue: ');
  // Not as a terminal: readline would keep Ctrl-C to itself.
  const lines = createInterface({ input: process.stdin, terminal: false });
  const [answer] = (await Promise.race([once(lines, 'line'), once(lines, 'close')])) as [string?];
  lines.close();
  return answer?.trim() === 'yes';
}
