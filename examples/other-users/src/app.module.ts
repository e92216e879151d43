import { Module } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { EventEmitterModule } from '@nestjs/event-emitter';
import { AuthModule } from 'nest-ratchet';
import { PeopleModule } from './people/people.module.js';
import { PeopleUserDirectory } from './people/people-user.directory.js';

const secret = (name: string): Buffer => Buffer.from(process.env[name] ?? '', 'base64');

@Module({
  imports: [
    CqrsModule.forRoot(),
    EventEmitterModule.forRoot(),
    AuthModule.forRootAsync({
      useFactory: () => ({
        accessTokenKeys: [{ kid: 'k1', secret: secret('ACCESS_TOKEN_KEY') }],
        refreshTokenKeys: [{ id: 1, root: secret('REFRESH_TOKEN_KEY') }],
        accessTokenIssuer: 'https://guests.example',
        accessTokenAudience: 'https://guests.example',
      }),
      database: { url: process.env.AUTH_DATABASE_URL ?? '' },
      imports: [PeopleModule],
      userDirectory: PeopleUserDirectory,
      documented: false,
      isGlobal: true,
    }),
    PeopleModule,
  ],
})
export class AppModule {}
