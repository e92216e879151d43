import { Users1763683300000 } from './migrations/1763683300000-users';
import { UserEntity } from './user.entity';

export { normaliseEmail } from './email';
export { RegisterUserCommand } from './register-user.command';
export { TypeOrmUserDirectory } from './typeorm-user.directory';
export { DEMO_ACCOUNTS } from './user-seeds';
export { UsersModule } from './users.module';

export const userEntities = [UserEntity];
export const userMigrations = [Users1763683300000];
