export { normaliseEmail } from './email';
export { RegisterUserCommand } from './register-user.command';
export { userSchema } from './schema';
export { TypeOrmUserDirectory } from './typeorm-user.directory';
export { DEMO_ACCOUNTS } from './user-seeds';
export { UsersModule } from './users.module';
