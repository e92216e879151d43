import { Module } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { EventEmitterModule } from '@nestjs/event-emitter';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccessTokenGuard, AuthModule, authSchema } from 'nest-ratchet';
import { Account } from './accounts/account.entity.js';
import { AccountsModule } from './accounts/accounts.module.js';
import { CreateTables1780000000000 } from './create-tables.migration.js';
import { PeopleModule } from './people/people.module.js';
import { PeopleUserDirectory } from './people/people-user.directory.js';
import { Person } from './people/person.entity.js';
import { SecurityModule } from './security/security.module.js';
import { TokenGuard } from './security/token.guard.js';
import { Ceremony } from './sign-in/ceremonies.js';
import { Identity } from './sign-in/identity.entity.js';
import { Passkey } from './sign-in/passkey.entity.js';
import { SignInModule } from './sign-in/sign-in.module.js';

const schema = authSchema();
const publicOrigin = process.env.PUBLIC_ORIGIN ?? 'http://localhost:3000';
const secret = (name: string): Buffer => Buffer.from(process.env[name] ?? '', 'base64');

@Module({
  imports: [
    CqrsModule.forRoot(),
    EventEmitterModule.forRoot(),
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: process.env.DATABASE_URL,
      entities: [...schema.entities, Person, Account, Ceremony, Identity, Passkey],
      migrations: [...schema.migrations, CreateTables1780000000000],
      migrationsRun: true,
    }),
    AuthModule.forRootAsync({
      useFactory: () => ({
        accessTokenKeys: [{ kid: 'k1', secret: secret('ACCESS_TOKEN_KEY') }],
        refreshTokenKeys: [{ id: 1, root: secret('REFRESH_TOKEN_KEY') }],
        accessTokenIssuer: 'https://finance.example',
        accessTokenAudience: 'https://finance.example',
        publicOrigin,
        secureCookies: publicOrigin.startsWith('https:'),
      }),
      imports: [PeopleModule],
      userDirectory: PeopleUserDirectory,
      isGlobal: true,
      providers: [{ provide: AccessTokenGuard, useClass: TokenGuard }],
    }),
    AccountsModule,
    SecurityModule,
    SignInModule,
  ],
})
export class AppModule {}
