import type { INestApplication } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { EventEmitter2 } from '@nestjs/event-emitter';
import fc from 'fast-check';
import { DataSource } from 'typeorm';
import { LogInCommand, UserRegistered } from '../../src';
import { normaliseEmail, RegisterUserCommand } from '../../src/users';
import { UserEntity } from '../../src/users/user.entity';
import { testDatabase } from '../support/database/test-database';
import { granted, refusedFor } from '../support/result';
import { usersApp } from './users-app';

const PASSWORD = 'four sensible words here';
const CLIENT = { ip: '2001:db8::7', userAgent: 'a browser' };

let app: INestApplication;
let dataSource: DataSource;
beforeAll(async () => {
  app = await usersApp((await testDatabase()).url);
  dataSource = app.get(DataSource);
});
afterAll(() => app.close());

const register = (email: string, password = PASSWORD, displayName?: string) =>
  app.get(CommandBus).execute(new RegisterUserCommand(email, password, displayName, CLIENT));
const logIn = (email: string, password = PASSWORD) => app.get(CommandBus).execute(new LogInCommand(email, password));
const accounts = (email: string) => dataSource.getRepository(UserEntity).findBy({ email });
const recorded = (): Promise<Record<string, unknown>[]> =>
  dataSource.query(`SELECT * FROM auth_events WHERE type = $1 ORDER BY id`, [UserRegistered.type]);

describe('RegisterUserCommand', () => {
  it('opens an account with the role user, under the one spelling of its e-mail', async () => {
    const registered = granted(await register(' Sam@EXAMPLE.com ', PASSWORD, ' Sam '));
    const [account] = await accounts('sam@example.com');
    expect(registered).toEqual({
      id: account?.id,
      email: 'sam@example.com',
      roles: ['user'],
      createdAt: account?.createdAt,
    });
    expect(account).toMatchObject({ displayName: 'Sam', isActive: true });
    expect(account?.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(account?.passwordHash).toMatch(/^\$2b\$04\$/);
  });

  it('makes an account that its password, however typed, can sign in to', async () => {
    await register('typed@example.com', 'caf\u00e9 ｏｌｅ sensible');
    expect((await logIn('TYPED@example.com', 'cafe\u0301 ole sensible')).ok).toBe(true);
    expect((await logIn('typed@example.com', 'cafe ole sensible')).ok).toBe(false);
  });

  it('refuses an e-mail that has an account in any spelling, and leaves that account as it is', async () => {
    await register('taken@example.com');
    const [before] = await accounts('taken@example.com');
    for (const email of ['taken@example.com', 'TAKEN@Example.com', 'ｔａｋｅｎ@example.com']) {
      expect(refusedFor(await register(email, 'another sensible password'))).toEqual({ kind: 'email_taken' });
    }
    expect(await accounts('taken@example.com')).toEqual([before]);
  });

  it('records and announces each account once, with the client and without the password', async () => {
    const announced: unknown[] = [];
    app.get(EventEmitter2).on(UserRegistered.type, (event) => announced.push(event));
    const before = (await recorded()).length;
    const user = granted(await register('heard@example.com'));
    await register('heard@example.com');
    await register('heard-later@example.com');
    // Events are dispatched in order: whatever a refused registration announces would be in between.
    expect(announced).toHaveLength(2);
    const records = (await recorded()).slice(before, -1);
    expect(records).toEqual([
      expect.objectContaining({
        user_id: user.id,
        ip_address: CLIENT.ip,
        user_agent: CLIENT.userAgent,
        outcome: 'succeeded',
        details: { roles: ['user'] },
      }),
    ]);
    expect(announced.slice(0, 1)).toEqual([
      expect.objectContaining({ roles: ['user'], context: expect.objectContaining({ userId: user.id }) }),
    ]);
    expect(JSON.stringify([records, announced])).not.toContain(PASSWORD);
  });

  it.each([
    ['email', 'no address', PASSWORD, 'email must be an e-mail address'],
    ['email', 'nul\u0000@example.com', PASSWORD, 'email must be a string without control characters'],
    ['password', 'weak@example.com', 'short', 'password must have at least 8 characters'],
    ['password', 'weak@example.com', 'Password1', 'password is one of the most common passwords'],
    ['password', 'weak@example.com', '漢'.repeat(25), expect.stringContaining('at most 72 bytes')],
  ])('refuses a bad %s (%j, %j), and writes nothing', async (path, email, password, message) => {
    const [users, events] = [await dataSource.getRepository(UserEntity).count(), (await recorded()).length];
    expect(refusedFor(await register(email, password))).toEqual({ kind: 'invalid', path, message });
    expect(await dataSource.getRepository(UserEntity).count()).toBe(users);
    expect(await recorded()).toHaveLength(events);
  });

  it('gives one of many simultaneous registrations of an e-mail the account, and records one', async () => {
    const before = (await recorded()).length;
    const results = await Promise.all(Array.from({ length: 20 }, () => register('race@example.com')));
    expect(results.filter((result) => result.ok)).toHaveLength(1);
    expect(await accounts('race@example.com')).toHaveLength(1);
    expect((await recorded()).length - before).toBe(1);
  });

  it('opens no account whose record cannot be written', async () => {
    await dataSource.query(
      `ALTER TABLE auth_events ADD CONSTRAINT full_disk CHECK (type <> '${UserRegistered.type}') NOT VALID`,
    );
    try {
      await expect(register('unrecorded@example.com')).rejects.toThrow();
    } finally {
      await dataSource.query(`ALTER TABLE auth_events DROP CONSTRAINT full_disk`);
    }
    expect(await accounts('unrecorded@example.com')).toEqual([]);
    expect((await register('unrecorded@example.com')).ok).toBe(true);
  });
});

describe('normaliseEmail', () => {
  it('knows one spelling of an address, which is its own', () => {
    const part = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(part, fc.constantFrom('@', '＠', ' @'), part, (name, at, domain) => {
        const email = normaliseEmail(`${name}${at}${domain}.com`);
        fc.pre(email !== null);
        for (const spelling of [email, email.normalize('NFD'), ` ${email}\t`])
          expect(normaliseEmail(spelling)).toBe(email);
      }),
    );
  });

  it.each(['İstanbul@example.com', 'ﬁ@example.com', 'Ω@example.com', 'ẞ@example.com', 'K@example.com'])(
    'is stable for %s, whose lower case is written otherwise',
    (written) => {
      const email = normaliseEmail(written);
      expect(email).not.toBeNull();
      expect(normaliseEmail(email!)).toBe(email);
      expect(normaliseEmail(written.normalize('NFD'))).toBe(email);
    },
  );
});
