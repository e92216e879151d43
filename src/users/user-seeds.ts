import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { TypeOrmUnitOfWork } from '../index';
import { OpenAccount } from './open-account';
import { normaliseEmail } from './email';
import { UserEntity } from './user.entity';
import { UsersOptions } from './users.options';

/** The accounts of a development start; their passwords are public, and the examples in Swagger UI use them. */
export const DEMO_ACCOUNTS = [
  {
    email: 'admin@example.com',
    password: 'correct horse battery admin',
    displayName: 'Demo administrator',
    roles: ['admin', 'user'],
  },
  { email: 'user@example.com', password: 'correct horse battery staple', displayName: 'Demo user', roles: ['user'] },
] as const;

/** Opens the accounts that configuration asks for. An account that exists is never promoted, and keeps its password. */
@Injectable()
export class UserSeeds implements OnApplicationBootstrap {
  private readonly logger = new Logger(UserSeeds.name);

  constructor(
    private readonly options: UsersOptions,
    private readonly openAccount: OpenAccount,
    private readonly unitOfWork: TypeOrmUnitOfWork,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    try {
      await this.bootstrapAdmin();
      if (this.options.demoAccounts) await Promise.all(DEMO_ACCOUNTS.map((account) => this.openDemo(account)));
    } catch (error) {
      if (!isOfOlderSchema(error)) throw error;
      // Up all the same: readiness is where a schema that is behind shows.
      this.logger.warn('No account was opened: the database lacks migrations. Run them, then start again');
    }
  }

  private async bootstrapAdmin(): Promise<void> {
    const { bootstrapAdmin } = this.options;
    if (bootstrapAdmin === null || (await this.hasEverHadAdmin())) return;
    const email = normaliseEmail(bootstrapAdmin.email);
    if (email === null) throw new Error('The e-mail of the bootstrap administrator is no e-mail address');
    const account = { email, password: bootstrapAdmin.password, displayName: null, roles: ['admin', 'user'] };
    // Asked again, since another instance that starts at the same time may have been first.
    if ((await this.openAccount.open(account, {})) === null && !(await this.hasEverHadAdmin())) {
      this.logger.warn(
        'No administrator was created: an ordinary account has the e-mail of the bootstrap administrator',
      );
    }
  }

  /** Kept by a trigger, so it stays true when the role or the account is gone. */
  private async hasEverHadAdmin(): Promise<boolean> {
    const { manager } = this.unitOfWork;
    const { schema } = manager.dataSource.getMetadata(UserEntity);
    const rows = await manager.query<unknown[]>(`SELECT FROM "${schema}".first_admin`);
    return rows.length > 0;
  }

  private async openDemo(account: (typeof DEMO_ACCOUNTS)[number]): Promise<void> {
    // Asked first, since a hash takes a while and every start but the first finds the account.
    const exists = await this.unitOfWork.manager.existsBy(UserEntity, { email: account.email });
    if (!exists) await this.openAccount.open(account, {});
  }
}

/** PostgreSQL's codes for a table and a column that are not there. */
const MISSING = ['42P01', '42703'];

const isOfOlderSchema = (error: unknown): boolean =>
  MISSING.includes(String((error as { code?: unknown } | null)?.code));
