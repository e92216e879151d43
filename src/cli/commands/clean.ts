import { CommandBus } from '@nestjs/cqrs';
import type { Command } from 'commander';
import { CleanUpSessionsCommand } from '../../index';
import { Failure } from '../failure';
import type { Shell } from '../shell';
import { numberText } from '../../support/texts';
import { table } from '../text';

export function clean(program: Command, shell: Shell): void {
  program
    .command('clean')
    .description('delete what is past its retention: sessions, revocations, the audit trail')
    .option('--dry-run', 'only count')
    .action(({ dryRun = false }: { dryRun?: boolean }) =>
      shell.withAuth(async (app) => {
        const startedAt = performance.now();
        const found = await app.get(CommandBus).execute(new CleanUpSessionsCommand(dryRun));
        const seconds = Math.ceil(performance.now() - startedAt) / 1000;
        const rows = found.sessions + found.revocations + found.auditRows;
        const rowsPerSecond = Math.round(rows / seconds);
        shell.print(
          { dryRun, ...found, ...(dryRun ? {} : { seconds, rowsPerSecond }) },
          `${table([
            ['sessions', numberText(found.sessions)],
            ['revocations', numberText(found.revocations)],
            ['audit partitions', numberText(found.auditPartitions)],
            ['audit rows', numberText(found.auditRows)],
            ...(dryRun
              ? []
              : [
                  ['ended sessions, marked', numberText(found.markedSessions)] as const,
                  ['sessions above the limit, ended', numberText(found.evictedSessions)] as const,
                ]),
          ])}\n${
            dryRun
              ? 'Dry run, nothing has been deleted.'
              : `${numberText(rows)} rows deleted in ${seconds.toFixed(2)} s: ${numberText(rowsPerSecond)} rows per second`
          }`,
        );
        if (found.failures.length > 0)
          throw new Failure(
            found.failures.map(({ step, problem }) => `The clean-up of ${step} failed: ${problem}`).join('; '),
          );
      }),
    );
}
