import { CommandBus } from '@nestjs/cqrs';
import { Argument, type Command, Option } from 'commander';
import { SetUserActiveCommand, TriggerUserTokenRotationCommand, UserDirectory } from '../../index';
import { operator, reason, user, userIdOf } from '../arguments';
import { Failure } from '../failure';
import type { Shell } from '../shell';

export function users(program: Command, shell: Shell): void {
  const group = program.command('users').description('users');

  group
    .command('rotate')
    .description("refuse all of a user's tokens from now on")
    .addArgument(new Argument('<user>', 'id or e-mail').argParser(user))
    .addOption(new Option('--reason <text>', 'why; kept in the audit trail').argParser(reason).makeOptionMandatory())
    .action((of: string, options: { reason: string }) =>
      shell.withAuth(async (app) => {
        const command = new TriggerUserTokenRotationCommand(await userIdOf(app, of), options.reason, operator());
        const result = await app.get(CommandBus).execute(command);
        if (!result.ok) throw new Failure(REFUSALS[result.reason]);
        const { userId, previousVersion, newVersion } = result.value;
        shell.print(
          result.value,
          `User ${userId}: version ${previousVersion} -> ${newVersion}, older tokens are refused.`,
        );
      }),
    );

  group
    .command('deactivate')
    .description("end a user's sessions, and refuse further sign-ins")
    .addArgument(new Argument('<user>', 'id or e-mail').argParser(user))
    .action((of: string) =>
      shell.withAuth(async (app) => {
        if (app.get(UserDirectory).setActive === undefined) throw new Failure(HOST_ACTIVATES);
        const userId = await userIdOf(app, of);
        const result = await app.get(CommandBus).execute(new SetUserActiveCommand(userId, false, operator()));
        if (!result.ok) throw new Failure(REFUSALS[result.reason]);
        shell.print({ userId, isActive: false }, `User ${userId} is deactivated.`);
      }),
    );
}

const HOST_ACTIVATES =
  'The users are those of another application: deactivate the user there, and end all sessions with sessions revoke --user';

const REFUSALS = {
  user_not_found: 'There is no such user',
  last_admin: 'This is the last active administrator, who cannot be deactivated',
} as const;
