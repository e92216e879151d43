import type { Type } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { CommandLineConfig } from '../config';
import { dataSourceOptions } from '../postgres/data-source';
import { authSchema, names, type UserDirectory } from '../index';
import type * as Users from '../users';
import { HostUserDirectory } from './host-user.directory';

/** An open database with auth's tables, and whose users they are about. */
export interface Database {
  readonly dataSource: DataSource;
  readonly userDirectory: Type<UserDirectory>;
}

/** The application's own users and their migrations belong to it where their tables are; a host has others, or elsewhere. */
export async function openDatabase({ database }: CommandLineConfig, url: string): Promise<Database> {
  const { schema } = database;
  const auth = authSchema({ schema });
  // A host's table of migrations is where the host's DataSource has it.
  const hosts = { ...database, url, schema: undefined };
  const options = dataSourceOptions(hosts, { entities: [...auth.entities], migrations: [...auth.migrations] });
  const dataSource = await new DataSource(options).initialize();
  // Not of `users`: a host may well have a table of that name.
  const [row] = await dataSource.query<{ own: boolean }[]>('SELECT to_regclass($1) IS NOT NULL AS own', [
    names(schema).inSchema('first_admin'),
  ]);
  if (row?.own !== true) return { dataSource, userDirectory: HostUserDirectory };
  await dataSource.destroy();
  // Only now: it brings routes along, and with them what a host need not have installed.
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  const { TypeOrmUserDirectory, userSchema } = require('../users') as typeof Users;
  const users = userSchema(schema);
  const whole = dataSourceOptions(
    { ...database, url },
    { entities: [...auth.entities, ...users.entities], migrations: [...auth.migrations, ...users.migrations] },
  );
  return { dataSource: await new DataSource(whole).initialize(), userDirectory: TypeOrmUserDirectory };
}
