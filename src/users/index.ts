export { normaliseEmail } from './email';
export { RegisterUserCommand } from './register-user.command';
export { userEntities, userMigrations } from './schema';
export { TypeOrmUserDirectory } from './typeorm-user.directory';
export { DEMO_ACCOUNTS } from './user-seeds';
export { UsersModule } from './users.module';
