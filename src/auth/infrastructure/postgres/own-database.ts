import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../../postgres/data-source';
import { migrateFirst } from '../../../postgres/migrate';
import { messageOf } from '../../../support/message-of';
import type { OwnDatabaseSettings } from '../../options/postgres.settings';
import { authSchema } from './schema';

/** The DataSource that auth has opened, and closes; null where it uses one of the host. */
export class OwnDatabase {
  private constructor(readonly dataSource: DataSource | null) {}

  /** @throws Error, without the address, if there is no database there or its schema cannot be brought up to date */
  static async open(settings: OwnDatabaseSettings | null, schema: string): Promise<OwnDatabase> {
    if (settings === null) return new OwnDatabase(null);
    const { entities, migrations } = authSchema({ schema });
    const options = dataSourceOptions(
      { ...settings, schema },
      { entities: [...entities], migrations: [...migrations] },
    );
    try {
      await migrateFirst(options);
      return new OwnDatabase(await new DataSource(options).initialize());
    } catch (error) {
      throw new Error(`The database of auth's own (database.url) cannot be used: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  async close(): Promise<void> {
    await this.dataSource?.destroy();
  }
}
