import { CommandBus } from '@nestjs/cqrs';
import { type Command, Option } from 'commander';
import { duration } from '../../readings';
import { MAX_RECOVERY_SECONDS, RecoverAfterFailoverCommand } from '../../index';
import { by, operator, reason } from '../arguments';
import type { Shell } from '../shell';
import { timeText } from '../../support/texts';
import { table } from '../text';

interface Options {
  readonly reason: string;
  /** Seconds. */
  readonly for?: number;
}

export function afterFailover(program: Command, shell: Shell): void {
  program
    .command('after-failover')
    .description(
      'keep people signed in after a failover that lost commits: adopt tokens that are newer than their sessions',
    )
    .addOption(new Option('--reason <text>', 'why; kept in the audit trail').argParser(reason).makeOptionMandatory())
    .addOption(
      new Option('--for <duration>', 'how long from now, at most 7d, by default 24h; 0 ends it').argParser(
        by(duration(0, MAX_RECOVERY_SECONDS)),
      ),
    )
    .action(async ({ reason: why, for: seconds }: Options) => {
      await shell.withAuth(async (app) => {
        const epoch = await app.get(CommandBus).execute(new RecoverAfterFailoverCommand(why, seconds, operator()));
        shell.print(
          epoch,
          table([['recovery until', epoch.recoveryUntil === null ? 'there was none' : timeText(epoch.recoveryUntil)]]),
        );
      });
    });
}
