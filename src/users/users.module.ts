import { type DynamicModule, Module } from '@nestjs/common';
import { OpenAccount } from './open-account';
import { AdminUsersController } from './http/admin-users.controller';
import { RegisterController } from './http/register.controller';
import { RegisterUserHandler } from './register-user.handler';
import { UserSeeds } from './user-seeds';
import { UsersOptions } from './users.options';

/** Registration and seeds. {@link TypeOrmUserDirectory} is provided by auth, and what auth exports must be global. */
@Module({})
export class UsersModule {
  static forRoot(options: UsersOptions): DynamicModule {
    return {
      module: UsersModule,
      controllers: [...(options.registrationEnabled ? [RegisterController] : []), AdminUsersController],
      providers: [{ provide: UsersOptions, useValue: options }, OpenAccount, RegisterUserHandler, UserSeeds],
    };
  }
}
