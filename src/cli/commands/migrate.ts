import { existsSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { Command } from 'commander';
import { loadCommandLineConfig } from '../../config';
import { authSchema } from '../../index';
import { dataSourceOptions } from '../../postgres/data-source';
import { migrateFirst } from '../../postgres/migrate';
import { messageOf } from '../../support/message-of';
import type * as Users from '../../users';
import { EXIT, Failure } from '../failure';
import type { Shell } from '../shell';

/** The package has no application in it: a host's migrations are run by the host. */
const isApplication = existsSync(join(__dirname, `../../main${extname(__filename)}`));

export function migrate(program: Command, shell: Shell): void {
  program
    .command('migrate')
    .description("apply the application's pending migrations, before its instances start")
    .action(async () => {
      if (!isApplication)
        throw new Failure("The tables are those of this host: run its migrations, which include authSchema()'s");
      const config = loadCommandLineConfig();
      const applied = await shell.withDatabase(config, (url) =>
        shell.unlessInterrupted(() =>
          migrateFirst(optionsOf({ ...config.database, url })).catch((error: unknown) => {
            throw new Failure(`The migrations failed: ${messageOf(error)}`, EXIT.dependency, { cause: error });
          }),
        ),
      );
      shell.print({ applied }, applied.length === 0 ? 'No migration is pending' : applied.join('\n'));
    });
}

function optionsOf(database: Parameters<typeof dataSourceOptions>[0] & { readonly schema: string }) {
  // Not before: it brings routes along, and with them what no other command loads.
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  const { userSchema } = require('../../users') as typeof Users;
  const [auth, users] = [authSchema({ schema: database.schema }), userSchema(database.schema)];
  return dataSourceOptions(database, {
    entities: [...auth.entities, ...users.entities],
    migrations: [...auth.migrations, ...users.migrations],
  });
}
