import 'reflect-metadata';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CommandBus, CqrsModule } from '@nestjs/cqrs';
import { EventEmitterModule } from '@nestjs/event-emitter';
import {
  AuthModule,
  LogInCommand,
  PasswordHasher,
  RefreshAccessTokenCommand,
  UserDirectory,
  type UserWithPassword,
} from 'nest-ratchet';
import { type ContractPorts, storageContract } from 'nest-ratchet/testing';
import { MapAuthEventLog } from './events.js';
import { Maps } from './maps.js';
import { MapSecurityPolicyRepository, policyIn } from './policies.js';
import { MapRevocationFeed } from './revocations.js';
import { MapSessionRepository } from './sessions.js';
import { mapStorage } from './storage.js';

const maps = new Maps();
const feed = new MapRevocationFeed(maps);
const policies = new MapSecurityPolicyRepository(maps, feed);
const log = new MapAuthEventLog(maps);
const ports: ContractPorts = {
  unitOfWork: maps,
  feed,
  policies,
  log,
  sessions: new MapSessionRepository(maps, policies, log, feed),
  alterSession: (id, changes) =>
    maps.run(async () => {
      const session = maps.sessions.get(id);
      if (session !== undefined) maps.write(maps.sessions, id, { ...session, ...changes });
    }),
  alterPolicy: (changes) =>
    maps.run(async () =>
      maps.write(maps.policy, 'policy', changes === null ? undefined : { ...policyIn(maps), ...changes }),
    ),
};

for (const { name, run } of storageContract({ make: async () => ports })) test(name, run);

const ANN: UserWithPassword = { id: '1', email: 'ann@example.com', passwordHash: 'secret', roles: [], isActive: true };

class OnlyAnn extends UserDirectory {
  async findById(id: string): Promise<UserWithPassword | null> {
    return id === ANN.id ? ANN : null;
  }

  async findByLogin(login: string): Promise<UserWithPassword | null> {
    return login === ANN.email ? ANN : null;
  }

  async replacePasswordHash(): Promise<boolean> {
    return false;
  }
}

const plainTexts: PasswordHasher = {
  hash: async (password) => password,
  verify: async (password, hash) => password === hash,
  needsRehash: () => false,
};

@Module({
  imports: [
    CqrsModule.forRoot(),
    EventEmitterModule.forRoot(),
    AuthModule.forRoot({
      accessTokenKeys: [{ kid: '1', secret: randomBytes(32) }],
      refreshTokenKeys: [{ id: 1, root: randomBytes(32) }],
      accessTokenIssuer: 'an issuer',
      accessTokenAudience: 'an audience',
      userDirectory: OnlyAnn,
      controllers: false,
      providers: [{ provide: PasswordHasher, useValue: plainTexts }],
      storage: mapStorage(),
    }),
  ],
})
class AppModule {}

test('auth signs a user in and refreshes on this storage', async () => {
  const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error'] });
  const bus = app.get(CommandBus);
  const signedIn = await bus.execute(new LogInCommand(ANN.email, 'secret'));
  assert.ok(signedIn.ok);
  const refreshed = await bus.execute(new RefreshAccessTokenCommand(signedIn.value.refreshToken));
  assert.ok(refreshed.ok);
  assert.equal(refreshed.value.generation, 1);
  await app.close();
});
