import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { Argument, type Command, Option } from 'commander';
import { type ListedSession, ListSessionsQuery, RevokeSessionCommand, RevokeUserSessionsCommand } from '../../index';
import { operator, sessionId, user, userIdOf } from '../arguments';
import { Failure } from '../failure';
import type { Shell } from '../shell';
import { numberText, table, timeText } from '../text';

export function sessions(program: Command, shell: Shell): void {
  const group = program.command('sessions').description("users' sessions");

  group
    .command('list')
    .description("a user's sessions that could still be refreshed, most recently used first")
    .addArgument(new Argument('<user>', 'id or e-mail').argParser(user))
    .action((of: string) =>
      shell.withAuth(async (app) => {
        const found = await app.get(QueryBus).execute(new ListSessionsQuery(await userIdOf(app, of)));
        // Nobody's current one: the command line has no session.
        const listed = found.map(({ current: _, ...session }) => session);
        shell.print(listed, listed.length === 0 ? 'No live sessions.' : table([HEADINGS, ...listed.map(rowOf)]));
      }),
    );

  group
    .command('revoke')
    .description('end one session, or all sessions of a user')
    .addArgument(new Argument('[session]', 'id').argParser(sessionId))
    .addOption(new Option('--user <user>', 'end all sessions of this user (id or e-mail)').argParser(user))
    .action(async (id: string | undefined, options: { user?: string }, command: Command) => {
      const owner = options.user;
      if ((id === undefined) === (owner === undefined)) command.error('give either a session or --user');
      await shell.withAuth(async (app) => {
        const commands = app.get(CommandBus);
        if (owner !== undefined) {
          const userId = await userIdOf(app, owner);
          const ended = await commands.execute(new RevokeUserSessionsCommand(userId, 'admin_action', operator()));
          shell.print(
            { userId, revokedSessions: ended },
            `${numberText(ended)} sessions of ${userId} have been ended.`,
          );
        } else if (id !== undefined) {
          const known = await commands.execute(new RevokeSessionCommand(id, { actor: operator() }));
          if (!known) throw new Failure(`There is no session ${id}`);
          shell.print({ sessionId: id, revoked: true }, `Session ${id} has ended.`);
        }
      });
    });
}

const HEADINGS = ['SESSION', 'GENERATION', 'OPENED', 'FROM', 'LAST USED', 'FROM', 'EXPIRES', 'DEVICE'];
const DEVICE_WIDTH = 40;

const rowOf = (session: Omit<ListedSession, 'current'>): string[] => [
  session.id,
  String(session.generation),
  timeText(session.createdAt),
  session.ipAddress ?? '-',
  timeText(session.lastUsedAt),
  session.lastIpAddress ?? '-',
  timeText(session.expiresAt),
  (session.deviceName ?? session.userAgent).slice(0, DEVICE_WIDTH),
];
