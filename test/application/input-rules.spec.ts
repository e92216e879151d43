import type { INestApplicationContext } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { Test } from '@nestjs/testing';
import {
  ActAsUserCommand,
  AuthEventLog,
  ChangePasswordCommand,
  FactorChangedCommand,
  CountRareEventsQuery,
  FindAuthEventsQuery,
  GetSecurityPolicyQuery,
  GetSessionHistoryQuery,
  InvalidInput,
  IssueResetTicketCommand,
  ListSessionsQuery,
  LogInCommand,
  LogOutEverywhereCommand,
  OpenSessionCommand,
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
  ValidateRefreshTokenQuery,
  VerifyPasswordCommand,
} from '../../src';
import { AuthTestingModule } from '../../src/testing';

const ID = '0199aaaa-0000-7000-8000-000000000001';
const BAD_ID = "7'";
const BAD_USER_ID = 'x'.repeat(129);

/** Commands and queries are public: what a host dispatches has passed no DTO. */
describe('A host that dispatches', () => {
  let app: INestApplicationContext;
  beforeAll(async () => {
    app = await Test.createTestingModule({ imports: [AuthTestingModule.forRoot()] }).compile();
    await app.init();
  });
  afterAll(() => app.close());

  // Seen red, each, without the handler's rule: everyone signed out, a version that falls, or the database's own words.
  it.each([
    ['reason', new TriggerGlobalTokenRotationCommand('', 'drain', -5)],
    ['reason', new TriggerGlobalTokenRotationCommand('a\0b')],
    ['mode', new TriggerGlobalTokenRotationCommand('a breach', 'soon' as never)],
    ['gracePeriodSeconds', new TriggerGlobalTokenRotationCommand('a breach', 'drain', -5)],
    ['gracePeriodSeconds', new TriggerGlobalTokenRotationCommand('a breach', 'immediate', 60)],
    ['expectedVersion', new TriggerGlobalTokenRotationCommand('a breach', 'immediate', null, 0.5)],
    ['by', new TriggerGlobalTokenRotationCommand('a breach', 'immediate', null, null, {}, -5)],
    ['userId', new TriggerUserTokenRotationCommand(BAD_USER_ID, 'a breach')],
    ['reason', new TriggerUserTokenRotationCommand(ID, ' ')],
    ['gracePeriodSeconds', new UpdateGracePeriodCommand(-1)],
    ['gracePeriodSeconds', new UpdateGracePeriodCommand(1e9)],
    ['userId', new RevokeUserSessionsCommand(BAD_USER_ID)],
    ['reason', new RevokeUserSessionsCommand(ID, 'because' as never)],
    ['userId', new LogOutEverywhereCommand('')],
    ['sessionId', new RevokeSessionCommand(BAD_ID)],
    ['currentSessionId', new RevokeOtherSessionsCommand(ID, BAD_ID)],
    ['userId', new SetUserActiveCommand('a\0', false)],
    ['roles', new SetUserRolesCommand(ID, [''])],
    ['login', new LogInCommand('a\0@example.com', 'a password')],
    ['login', new VerifyPasswordCommand('a\0@example.com', 'a password')],
    ['user', new OpenSessionCommand(BAD_USER_ID, { method: 'google', client: {} })],
    ['method', new OpenSessionCommand(ID, { method: 'a b', client: {} })],
    ['delivery', new OpenSessionCommand(ID, { method: 'google', client: {}, delivery: 'post' as never })],
    ['sessionId', new ChangePasswordCommand(ID, BAD_ID, 'a password', 'another password')],
    ['retryKey', new RefreshAccessTokenCommand('rt1_', {}, 'short')],
    ['userId', new IssueResetTicketCommand(BAD_USER_ID)],
    ['kind', new FactorChangedCommand(ID, 'a new phone')],
    ['except', new FactorChangedCommand(ID, 'totp', { except: BAD_ID })],
    ['actorSession', new ActAsUserCommand(BAD_ID, ID, { reason: 'a call', ttl: 60 })],
    ['userId', new ActAsUserCommand(ID, BAD_USER_ID, { reason: 'a call', ttl: 60 })],
    ['reason', new ActAsUserCommand(ID, ID, { reason: ' ', ttl: 60 })],
    ['reason', new ActAsUserCommand(ID, ID, { ttl: 60 } as never)],
    ['reason', new ActAsUserCommand(ID, ID, { reason: 'x'.repeat(501), ttl: 60 })],
    ['ttl', new ActAsUserCommand(ID, ID, { reason: 'a call', ttl: 0 })],
    ['ttl', new ActAsUserCommand(ID, ID, { reason: 'a call', ttl: 901 })],
    ['ttl', new ActAsUserCommand(ID, ID, { reason: 'a call' } as never)],
    ['claims.act', new ActAsUserCommand(ID, ID, { reason: 'a call', ttl: 60, claims: { act: {} } })],
  ])('a command with a bad %s is refused with the rule, and changes nothing (%#)', async (path, command) => {
    const state = async () => [
      await app.get(QueryBus).execute(new GetSecurityPolicyQuery()),
      await app.get(AuthEventLog).find({}, 1),
    ];
    const before = await state();
    const refused = app.get(CommandBus).execute<object>(command);
    await expect(refused).rejects.toThrow(InvalidInput);
    await expect(refused).rejects.toMatchObject({ path, message: expect.stringMatching(`^${path} must `) });
    expect(await state()).toEqual(before);
  });

  it.each([
    ['userId', new ListSessionsQuery(BAD_USER_ID)],
    ['limit', new ListSessionsQuery(ID, undefined, { limit: 101 })],
    ['cursor', new ListSessionsQuery(ID, undefined, { cursor: 'x' })],
    ['sessionId', new GetSessionHistoryQuery(BAD_ID, 10)],
    ['limit', new GetSessionHistoryQuery(ID, -5)],
    ['hours', new CountRareEventsQuery(0)],
    ['hours', new CountRareEventsQuery(169)],
    ['to', new CountRareEventsQuery(24, new Date(NaN))],
    ['limit', new FindAuthEventsQuery({}, 0)],
    ['userId', new FindAuthEventsQuery({ userId: '' }, 10)],
    ['attemptId', new FindAuthEventsQuery({ attemptId: BAD_ID }, 10)],
    ['userId', new SealVerifiedUserQuery(BAD_USER_ID, 'link')],
    ['method', new SealVerifiedUserQuery(ID, 'a link')],
    ['retryKey', new ValidateRefreshTokenQuery('rt1_', 'short')],
  ])('a query with a bad %s is refused with the rule (%#)', async (path, query) => {
    const refused = app.get(QueryBus).execute<object>(query);
    await expect(refused).rejects.toMatchObject({ path, message: expect.stringMatching(`^${path} must `) });
  });
});
