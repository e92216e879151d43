import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import {
  Attempt,
  type Client,
  Clock,
  PasswordHasher,
  RateLimits,
  RecordedChange,
  TypeOrmUnitOfWork,
  UserRegistered,
} from '../index';
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
export class OpenAccount {
  constructor(
    private readonly unitOfWork: TypeOrmUnitOfWork,
    private readonly limits: RateLimits,
    private readonly hasher: PasswordHasher,
    private readonly changes: RecordedChange,
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
    return this.changes.commit<UserEntity | null>(async () => {
      const inserted = await this.unitOfWork.manager
        .createQueryBuilder()
        .insert()
        .into(UserEntity)
        .values({ ...account, id, passwordHash, roles: [...roles] })
        // Not by catching the violation: an error would end the transaction of a caller that has one.
        .orIgnore()
        .returning('*')
        .execute();
      if ((inserted.raw as unknown[]).length === 0) return { value: null, events: [] };
      const events = [new UserRegistered(attempt.ending({ userId: id }), roles)];
      return { value: inserted.generatedMaps[0] as UserEntity, events };
    });
  }
}
