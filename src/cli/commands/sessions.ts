import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { Argument, type Command, Option } from 'commander';
import { whole } from '../../readings';
import { type ListedSession, ListSessionsQuery, RevokeSessionCommand, RevokeUserSessionsCommand } from '../../index';
import { by, operator, sessionId, user, userIdOf } from '../arguments';
import { Failure } from '../failure';
import type { Shell } from '../shell';
import { numberText, timeText } from '../../support/texts';
import { table } from '../text';

export function sessions(program: Command, shell: Shell): void {
  const group = program.command('sessions').description("users' sessions");

  group
    .command('list')
    .description("a user's sessions that could still be refreshed, most recently used first")
    .addArgument(new Argument('<user>', 'id or e-mail').argParser(user))
    .addOption(
      new Option('--limit <n>', 'the most sessions to list; all by default').argParser(by(whole(1, 1_000_000))),
    )
    .action((of: string, { limit = Infinity }: { limit?: number }) =>
      shell.withAuth(async (app) => {
        const listed = await liveSessions(app.get(QueryBus), await userIdOf(app, of), limit);
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

/** Nobody's current ones: the command line has no session. */
type Listed = Omit<ListedSession, 'current'>;

async function liveSessions(queries: QueryBus, userId: string, limit: number): Promise<Listed[]> {
  const found: Listed[] = [];
  for (let cursor: string | undefined; found.length < limit;) {
    const { items, nextCursor } = await queries.execute(new ListSessionsQuery(userId, undefined, { cursor }));
    found.push(...items.map(({ current: _, ...session }) => session));
    if (nextCursor === null) break;
    cursor = nextCursor;
  }
  return found.slice(0, limit);
}

const HEADINGS = ['SESSION', 'GENERATION', 'OPENED', 'FROM', 'LAST USED', 'FROM', 'EXPIRES', 'DEVICE'];
const DEVICE_WIDTH = 40;

const rowOf = (session: Listed): string[] => [
  session.id,
  String(session.generation),
  timeText(session.createdAt),
  session.ipAddress ?? '-',
  timeText(session.lastUsedAt),
  session.lastIpAddress ?? '-',
  timeText(session.expiresAt),
  (session.deviceName ?? session.userAgent).slice(0, DEVICE_WIDTH),
];
