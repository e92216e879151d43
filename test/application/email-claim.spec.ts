import type { INestApplicationContext } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { Test } from '@nestjs/testing';
import { decodeJwt } from 'jose';
import { AccessTokenAuthenticator, LogInCommand, PasswordHasher, RefreshAccessTokenCommand } from '../../src';
import { AuthTestingModule, InMemoryUserDirectory } from '../../src/testing';
import { newUser } from '../ports/adapters';
import { granted } from '../support/result';

const PASSWORD = 'a long enough passphrase';

// Seen red with an option that nobody asks.
it.each([true, false])(
  'with emailClaim %s an access token says who it is for, as the directory knows it now',
  async (emailClaim) => {
    const module = Test.createTestingModule({ imports: [AuthTestingModule.forRoot({ options: { emailClaim } })] });
    const app: INestApplicationContext = await (await module.compile()).init();
    const users = app.get(InMemoryUserDirectory, { strict: false });
    const user = newUser({ passwordHash: await app.get(PasswordHasher).hash(PASSWORD) });
    await users.add(user);
    const commands = app.get(CommandBus);
    const claimed = (accessToken: string) => {
      expect(app.get(AccessTokenAuthenticator).authenticate(accessToken)).toMatchObject({ userId: user.id });
      return decodeJwt(accessToken).email;
    };

    try {
      const login = granted(await commands.execute(new LogInCommand(user.email, PASSWORD)));
      expect(claimed(login.accessToken)).toBe(emailClaim ? user.email : undefined);
      await users.add({ ...user, email: 'moved@example.com' });
      const refreshed = granted(await commands.execute(new RefreshAccessTokenCommand(login.refreshToken)));
      expect(claimed(refreshed.accessToken)).toBe(emailClaim ? 'moved@example.com' : undefined);
    } finally {
      await app.close();
    }
  },
);
