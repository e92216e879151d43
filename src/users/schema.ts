import { Users1763683300000 } from './migrations/1763683300000-users';
import { UserEntity } from './user.entity';

export const userEntities = [UserEntity];
export const userMigrations = [Users1763683300000];
