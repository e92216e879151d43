import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import {
  Attempt,
  AuthEventLog,
  AuthEvents,
  type Client,
  Clock,
  PasswordHasher,
  RateLimits,
  TypeOrmUnitOfWork,
  UserRegistered,
} from '../auth';
import { UserEntity } from './user.entity';

/** An account to be: the e-mail normalised, the password in the open. */
export interface NewAccount {
  readonly email: string;
  readonly password: string;
  readonly displayName: string | null;
  readonly roles: readonly string[];
}

/** Opens an account: the row and its record in one transaction. */
@Injectable()
export class AccountOpening {
  constructor(
    private readonly unitOfWork: TypeOrmUnitOfWork,
    private readonly limits: RateLimits,
    private readonly hasher: PasswordHasher,
    private readonly log: AuthEventLog,
    private readonly events: AuthEvents,
    private readonly clock: Clock,
  ) {}

  /**
   * The account, or null, and nothing written, when the e-mail is taken.
   * @throws Throttled when the client's address has opened too many
   */
  async open({ password, roles, ...account }: NewAccount, client: Client): Promise<UserEntity | null> {
    const attempt = new Attempt(client, this.clock.now());
    // Before the hash, which is what costs. Nobody limits the seeds, which come from no address.
    if (attempt.network !== null) await this.limits.take('registerPerIp', attempt.network);
    const passwordHash = await this.hasher.hash(password);
    const id = uuidv7();
    const record = [new UserRegistered(attempt.ending({ userId: id }), roles)];
    const user = await this.unitOfWork.run(async () => {
      const inserted = await this.unitOfWork.manager
        .createQueryBuilder()
        .insert()
        .into(UserEntity)
        .values({ ...account, id, passwordHash, roles: [...roles] })
        // Not by catching the violation: an error would end the transaction of whoever calls this inside one.
        .orIgnore()
        .returning('*')
        .execute();
      if ((inserted.raw as unknown[]).length === 0) return null;
      await this.log.append(record);
      return inserted.generatedMaps[0] as UserEntity;
    });
    if (user !== null) this.events.dispatch(record);
    return user;
  }
}
