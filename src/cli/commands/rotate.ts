import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { type Command, Option } from 'commander';
import { duration, whole } from '../../readings';
import {
  CUT_OFF_MODES,
  type CutOffMode,
  graceOfModeProblem,
  MAX_GRACE_SECONDS,
  MAX_VERSION,
  PreviewGlobalRotationQuery,
  TriggerGlobalTokenRotationCommand,
} from '../../index';
import { by, operator, reason } from '../arguments';
import { Failure } from '../failure';
import type { Shell } from '../shell';
import { numberText, timeText } from '../../support/texts';
import { table } from '../text';

interface Options {
  readonly mode: CutOffMode;
  /** Seconds. */
  readonly grace?: number;
  readonly reason: string;
  readonly expectedVersion?: number;
  readonly dryRun?: true;
}

export function rotate(program: Command, shell: Shell): void {
  program
    .command('rotate')
    .description('refuse the tokens of everyone, at once or when the grace period ends')
    .addOption(
      new Option(
        '--mode <mode>',
        'immediate: refuse at once; drain: at the end of the grace; migrate: exchange until then',
      )
        .choices(CUT_OFF_MODES)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--grace <duration>', "such as 10m; for drain and migrate, by default the policy's").argParser(
        by(duration(0, MAX_GRACE_SECONDS)),
      ),
    )
    .addOption(new Option('--reason <text>', 'why; kept in the audit trail').argParser(reason).makeOptionMandatory())
    .addOption(
      new Option(
        '--expected-version <n>',
        'rotate only from this version, so that a second run does not rotate again',
      ).argParser(by(whole(1, MAX_VERSION))),
    )
    .option('--dry-run', 'only show how many sessions it would affect')
    .action(async (options: Options, command: Command) => {
      const { mode, grace } = options;
      const problem = grace === undefined ? null : graceOfModeProblem(grace, mode);
      if (problem !== null) command.error(`--grace ${problem}`);
      await (options.dryRun ? preview(shell, options) : trigger(shell, options));
    });
}

async function preview(shell: Shell, { mode, grace, expectedVersion }: Options): Promise<void> {
  await shell.withAuth(async (app) => {
    const { gracePeriodSeconds: usual, ...found } = await app.get(QueryBus).execute(new PreviewGlobalRotationQuery());
    if (expectedVersion !== undefined && expectedVersion !== found.previousVersion) throw new Failure(MISMATCH);
    const gracePeriodSeconds = mode === 'immediate' ? null : (grace ?? usual);
    shell.print(
      { dryRun: true, mode, ...found, gracePeriodSeconds },
      `Dry run, nothing has been changed.\n${table([
        ['version', `${found.previousVersion} -> ${found.newVersion}`],
        ['mode', mode],
        ['grace', gracePeriodSeconds === null ? 'none' : `${numberText(gracePeriodSeconds)} s`],
        ['sessions', `${numberText(found.sessionsAffected)} would be affected`],
      ])}`,
    );
  });
}

async function trigger(shell: Shell, { mode, grace, reason: why, expectedVersion }: Options): Promise<void> {
  await shell.withAuth(async (app) => {
    const result = await app
      .get(CommandBus)
      .execute(new TriggerGlobalTokenRotationCommand(why, mode, grace ?? null, expectedVersion ?? null, operator()));
    if (!result.ok) throw new Failure(MISMATCH);
    const { previousVersion, newVersion, graceEndsAt, sessionsAffected } = result.value;
    shell.print(
      { dryRun: false, ...result.value },
      table([
        ['version', `${previousVersion} -> ${newVersion}`],
        ['mode', mode],
        ['grace ends', graceEndsAt === null ? 'no grace' : timeText(graceEndsAt)],
        ['sessions', `${numberText(sessionsAffected)} affected`],
      ]),
    );
  });
}

const MISMATCH = 'The version is not the expected one: somebody has rotated already';
