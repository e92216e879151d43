import { users } from './migrations/1763683300000-users';
import { UserEntity } from './user.entity';

/** The entity has the DataSource's schema, so that of the migration must be the same. */
export const userSchema = (schema: string) => ({ entities: [UserEntity], migrations: [users(schema)] });
