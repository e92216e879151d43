import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { INestApplicationContext } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { Test } from '@nestjs/testing';
import { v7 as uuidv7 } from 'uuid';
import {
  ActAsUserCommand,
  type Actor,
  ChangePasswordCommand,
  type DirectoryUser,
  FactorChangedCommand,
  CountRareEventsQuery,
  FindAuthEventsQuery,
  GetSessionHistoryQuery,
  InvalidInput,
  IssueResetTicketCommand,
  ListSessionsQuery,
  LogInCommand,
  LogOutEverywhereCommand,
  PasswordHasher,
  RecoverAfterFailoverCommand,
  RecoverAfterRestoreCommand,
  RefreshAccessTokenCommand,
  RevokeOtherSessionsCommand,
  RevokeSessionCommand,
  RevokeUserSessionsCommand,
  SealVerifiedUserQuery,
  SetUserActiveCommand,
  SetUserRolesCommand,
  TriggerGlobalTokenRotationCommand,
  TriggerUserTokenRotationCommand,
  UpdateGracePeriodCommand,
  UserDirectory,
  type UserWithPassword,
} from '../../src';
import { FindActiveUserQuery } from '../../src/auth/application/users/find-active-user.query';
import { CurrentRoles } from '../../src/guard';
import { AuthTestingModule, InMemoryStore, InMemoryUserDirectory, issueTestToken } from '../../src/testing';

const ID = 'ann';
const SESSION = '0199aaaa-0000-7000-8000-000000000002';
const PASSWORD = 'a long enough passphrase';

/** Finds its users, and tells them as plain JavaScript might. */
class Untyped extends InMemoryUserDirectory {
  told: (user: UserWithPassword | null) => unknown = (user) => user;

  override async findById(id: string): Promise<DirectoryUser | null> {
    return this.told((await super.findById(id)) as UserWithPassword | null) as DirectoryUser | null;
  }
  override async findByLogin(login: string): Promise<UserWithPassword | null> {
    return this.told(await super.findByLogin(login)) as UserWithPassword | null;
  }
  override async findByIdWithPassword(id: string): Promise<UserWithPassword | null> {
    return this.told(await super.findByIdWithPassword(id)) as UserWithPassword | null;
  }
}

let app: INestApplicationContext;
let users: Untyped;
async function start(): Promise<void> {
  const providers = [
    { provide: UserDirectory, inject: [InMemoryStore], useFactory: (it: InMemoryStore) => new Untyped(it) },
  ];
  app = await Test.createTestingModule({ imports: [AuthTestingModule.forRoot({ providers })] }).compile();
  await app.init();
  users = app.get<Untyped>(UserDirectory);
  const passwordHash = await app.get(PasswordHasher).hash(PASSWORD);
  await users.add({ id: ID, email: 'ann@example.com', roles: ['user'], isActive: true, passwordHash });
}

const execute: CommandBus['execute'] = (command: never) => app.get(CommandBus).execute(command);
const ask: QueryBus['execute'] = (query: never) => app.get(QueryBus).execute(query);
const run = (use: object): Promise<unknown> =>
  use.constructor.name.endsWith('Query') ? ask(use as never) : execute(use as never);

/** Everything that a use case could have changed. */
const state = () => {
  const { sessions, userFloors, policy, events, revocations } = app.get(InMemoryStore);
  return structuredClone({ sessions, userFloors, policy, events: [...events.keys()], revocations });
};

/** Every use case that is given the id of a user: by class, the name of the field, and one with that id. */
const OF_A_USER: readonly (readonly [field: string, of: (id: string) => object])[] = [
  ['userId', (id) => new FindActiveUserQuery(id)],
  ['userId', (id) => new ListSessionsQuery(id)],
  ['userId', (id) => new SealVerifiedUserQuery(id, 'link')],
  ['userId', (id) => new LogOutEverywhereCommand(id)],
  ['userId', (id) => new RevokeOtherSessionsCommand(id, SESSION)],
  ['of', (id) => new RevokeSessionCommand(SESSION, { of: id })],
  ['userId', (id) => new RevokeUserSessionsCommand(id)],
  ['userId', (id) => new ChangePasswordCommand(id, SESSION, PASSWORD, 'another long passphrase')],
  ['userId', (id) => new IssueResetTicketCommand(id)],
  ['userId', (id) => new FactorChangedCommand(id, 'totp')],
  ['userId', (id) => new ActAsUserCommand(SESSION, id, { reason: 'a test', ttl: 60 })],
  ['userId', (id) => new SetUserActiveCommand(id, false)],
  ['userId', (id) => new SetUserRolesCommand(id, [])],
  ['userId', (id) => new TriggerUserTokenRotationCommand(id, 'a test')],
];

const BY_AN_ACTOR: readonly ((actor: Actor) => object)[] = [
  (actor) => new CountRareEventsQuery(24, undefined, actor),
  (actor) => new FindAuthEventsQuery({}, 10, undefined, actor),
  (actor) => new GetSessionHistoryQuery(SESSION, 10, undefined, actor),
  (actor) => new RecoverAfterFailoverCommand('a test', 60, actor),
  (actor) => new RecoverAfterRestoreCommand(actor),
  (actor) => new RevokeSessionCommand(SESSION, { actor }),
  (actor) => new RevokeUserSessionsCommand(ID, 'admin_action', actor),
  (actor) => new SetUserActiveCommand(ID, false, actor),
  (actor) => new SetUserRolesCommand(ID, [], actor),
  (actor) => new TriggerGlobalTokenRotationCommand('a test', 'immediate', null, null, actor),
  (actor) => new TriggerUserTokenRotationCommand(ID, 'a test', actor),
  (actor) => new UpdateGracePeriodCommand(60, actor),
];

const BAD = ['', 'x'.repeat(129), 'a\0', 'a\n', '\u0085', '\ud800', 7, 7n, ['ann'], {}];

// Seen red, each, without the rule in its handler: nobody's floor rises, and PostgreSQL answers in its own words.
describe('An id that is none', () => {
  beforeAll(start);
  afterAll(() => app.close());

  const refuses = async (work: () => Promise<unknown>, path: string) => {
    const before = state();
    const refused = work();
    await expect(refused).rejects.toThrow(InvalidInput);
    await expect(refused).rejects.toMatchObject({ path, message: expect.stringMatching(`^${path} must `) });
    expect(state()).toEqual(before);
  };

  it.each(OF_A_USER.map(([field, of]) => [of(ID).constructor.name, field, of] as const))(
    'is refused by %s with the rule, as its %s',
    async (_, field, of) => {
      for (const id of [...BAD, undefined, null]) await refuses(() => run(of(id as string)), field);
    },
  );

  it.each(BY_AN_ACTOR.map((by) => [by({}).constructor.name, by] as const))(
    'is refused by %s as the id of the actor',
    async (_, by) => {
      for (const id of BAD) await refuses(() => run(by({ userId: id as string })), 'actor.userId');
    },
  );

  it('is refused by a search of the audit trail, as the one who asks for a list, and by a test token', async () => {
    for (const id of [...BAD, null])
      await refuses(() => ask(new FindAuthEventsQuery({ userId: id as string }, 10)), 'userId');
    for (const id of [...BAD, null])
      await refuses(() => ask(new ListSessionsQuery(ID, SESSION, { by: id as string })), 'by');
    for (const id of [...BAD, null]) await refuses(() => issueTestToken(app, { userId: id as string }), 'userId');
    await refuses(() => issueTestToken(app, { sessionId: 'none' }), 'sessionId');
  });

  it('is tried with every use case that is given one', () => {
    const folder = join(__dirname, '../../src/auth/application');
    const given = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(command|query)\.ts$/.test(file))
      .map((file) => readFileSync(join(folder, file), 'utf8'));
    const named = (field: RegExp) =>
      given
        .filter((text) => field.test(text))
        .map((text) => /^export class (\w+)/m.exec(text)?.[1])
        .sort();
    const tried = (uses: readonly object[]) => uses.map(({ constructor }) => constructor.name).sort();
    expect(tried(OF_A_USER.map(([, of]) => of(ID)))).toEqual(named(/\breadonly userId: string[,)]|\breadonly of\?/));
    expect(tried(BY_AN_ACTOR.map((by) => by({})))).toEqual(named(/\breadonly actor\??: Actor\b/));
  });
});

describe('A directory in plain JavaScript', () => {
  let signedIn: { refreshToken: string; sessionId: string };
  beforeEach(async () => {
    await start();
    const opened = await execute(new LogInCommand('ann@example.com', PASSWORD));
    if (!opened.ok) throw new Error(opened.reason);
    signedIn = opened.value;
  });
  afterEach(() => app.close());

  const useCases = (): readonly object[] => [
    new LogInCommand('ann@example.com', PASSWORD),
    new RefreshAccessTokenCommand(signedIn.refreshToken),
    ...OF_A_USER.filter(([field]) => field === 'userId').map(([, of]) => of(ID)),
    new FindAuthEventsQuery({ userId: ID }, 10),
    new ChangePasswordCommand(ID, signedIn.sessionId, PASSWORD, 'another long passphrase'),
  ];

  // Seen red, each, with the answer as it came: sessions of the user 7, of nobody, and tokens that no guard takes.
  it.each<[field: keyof DirectoryUser, what: string, value: unknown]>([
    ['id', 'a number', 7],
    ['id', 'nothing in it', ''],
    ['id', '129 characters', 'x'.repeat(129)],
    ['id', 'a NUL', 'a\0'],
    ['id', 'no value', undefined],
    ['email', 'null', null],
    ['roles', 'a text', 'superadmin'],
    ['roles', 'null', null],
    ['roles', 'a number among them', [1]],
    ['isActive', 'a number', 1],
    ['isActive', 'no value', undefined],
  ])(
    'that tells a user whose %s is %s ends every use case in one sentence, and changes nothing',
    async (field, _, value) => {
      users.told = (user) => user && { ...user, [field]: value };
      const sessionsAndFloors = () => ({ ...state(), events: [] });
      const before = sessionsAndFloors();
      const sentence = new RegExp(
        `^find(ById|ByLogin|ByIdWithPassword)\\(\\) of the UserDirectory has returned a user whose ${field} must `,
      );
      for (const use of useCases()) await expect(run(use)).rejects.toThrow(sentence);
      await expect(app.get(CurrentRoles, { strict: false }).rolesOf(ID)).rejects.toThrow(sentence);
      expect(sessionsAndFloors()).toEqual(before);
      users.told = (user) => user;
      expect(await execute(new RefreshAccessTokenCommand(signedIn.refreshToken))).toMatchObject({ ok: true });
    },
  );

  // Seen red: a login of somebody unknown was a fault, and so told from a wrong password.
  it('that tells undefined of an unknown user tells of nobody', async () => {
    users.told = (user) => user ?? undefined;
    expect(await execute(new LogInCommand('nobody@example.com', PASSWORD))).toEqual({
      ok: false,
      reason: 'invalid_credentials',
    });
    expect(await execute(new TriggerUserTokenRotationCommand('nobody', 'a test'))).toEqual({
      ok: false,
      reason: 'user_not_found',
    });
    expect(await ask(new FindActiveUserQuery('nobody'))).toBeNull();
    expect(await execute(new RevokeUserSessionsCommand('nobody'))).toBe(0);
    expect(await execute(new SetUserActiveCommand('nobody', false))).toEqual({ ok: false, reason: 'user_not_found' });
  });

  // Seen red: its access token was for the new spelling, and an ending by that spelling found no session.
  it('that spells a user otherwise than at the login refreshes no session of the earlier spelling', async () => {
    users.told = (user) => user && { ...user, id: 'Ann' };
    expect(await execute(new RefreshAccessTokenCommand(signedIn.refreshToken))).toMatchObject({
      ok: false,
      reason: { kind: 'refused', reason: 'user_not_found' },
    });
  });

  it('ends nothing for an `of` that is there and is undefined', async () => {
    const of: { of?: string } = JSON.parse('{}') as object;
    Object.assign(of, { of: undefined });
    await expect(execute(new RevokeSessionCommand(signedIn.sessionId, of))).rejects.toThrow(InvalidInput);
    expect(await execute(new RevokeSessionCommand(signedIn.sessionId, { of: uuidv7() }))).toBe(false);
    expect(await execute(new RefreshAccessTokenCommand(signedIn.refreshToken))).toMatchObject({ ok: true });
  });
});
