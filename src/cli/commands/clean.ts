import { CommandBus } from '@nestjs/cqrs';
import type { Command } from 'commander';
import { CleanUpSessionsCommand } from '../../index';
import type { Shell } from '../shell';
import { numberText, table } from '../text';

export function clean(program: Command, shell: Shell): void {
  program
    .command('clean')
    .description('delete what is past its retention: sessions, revocations, months of the audit trail')
    .option('--dry-run', 'only count')
    .action(({ dryRun = false }: { dryRun?: boolean }) =>
      shell.withAuth(async (app) => {
        const startedAt = performance.now();
        const found = await app.get(CommandBus).execute(new CleanUpSessionsCommand(dryRun));
        const seconds = Math.ceil(performance.now() - startedAt) / 1000;
        const rows = found.sessions + found.revocations;
        const rowsPerSecond = Math.round(rows / seconds);
        shell.print(
          { dryRun, ...found, ...(dryRun ? {} : { seconds, rowsPerSecond }) },
          `${table([
            ['sessions', numberText(found.sessions)],
            ['revocations', numberText(found.revocations)],
            ['audit months', numberText(found.auditMonths)],
          ])}\n${
            dryRun
              ? 'Dry run, nothing has been deleted.'
              : `${numberText(rows)} rows deleted in ${seconds.toFixed(2)} s: ${numberText(rowsPerSecond)} rows per second`
          }`,
        );
      }),
    );
}
