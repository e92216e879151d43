import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { CleanUpSessionsCommand, RecoverAfterFailoverCommand, ValidateRefreshTokenQuery } from '../../src';
import { guardHasLooked, policyOf, rotateAll, rotateUser, statusOfMe } from '../http/support/administration';
import { age, putBack, snapshotOf } from '../http/support/sessions';
import { EVENTS } from '../support/app/events';
import type { Answer, TestApplication } from '../support/app/test-application';
import { type Device, proofFor } from '../support/dpop';
import { type Driver, type Ending, LIMITS, type Refreshed } from './driver';
import { PASSWORD } from './model';

export const SETTINGS = {
  ACCESS_TOKEN_TTL: `${LIMITS.accessTokenTtlSeconds}s`,
  REFRESH_TOKEN_TTL: `${LIMITS.idleTtlSeconds}s`,
  SESSION_ABSOLUTE_TTL: `${LIMITS.absoluteTtlSeconds}s`,
  SESSION_RETENTION: `${LIMITS.retentionSeconds}s`,
  REFRESH_REPLAY_WINDOW: `${LIMITS.windowSeconds}s`,
  REFRESH_MAX_REPLAYS: String(LIMITS.maxReplays),
  REUSE_ESCALATION_THRESHOLD: String(LIMITS.reuseEscalationThreshold),
  CLEANUP_INTERVAL: '0',
  AUDIT_DEADLINE: '60s',
};

/** The whole application over HTTP, one sequence after the other on one database. */
export function httpDriver(app: TestApplication): Driver {
  const expecting = (status: number, answer: Answer): Answer => {
    expect({ status: answer.status, body: answer.body }).toMatchObject({ status });
    return answer;
  };
  const headersOf = (path: string, device: Device | undefined, key?: string) => ({
    ...(key !== undefined && { 'Idempotency-Key': key }),
    ...(device !== undefined && proofFor(app, device, path)),
  });
  return {
    agesAccessTokens: false,
    globalFloor: async () => (await policyOf(app)).global_min_token_version,
    openAccount: async () => {
      const { id, email } = await app.register({ password: PASSWORD });
      return { id, login: email };
    },
    logIn: async ({ login: email }, password, device) => {
      const headers = headersOf('/auth/login', device);
      return expecting(200, await app.post('/auth/login', { email, password }, headers)).body;
    },
    refresh: async (refreshToken, key, device): Promise<Refreshed> => {
      const headers = headersOf('/auth/refresh', device, key);
      const { status, body } = await app.post('/auth/refresh', { refreshToken }, headers);
      return status === 200 ? body : body.code;
    },
    reauthenticate: async (refreshToken, password, key, device): Promise<Refreshed> => {
      const { status, body } = await app.post(
        '/auth/reauthenticate',
        { refreshToken, password },
        headersOf('/auth/reauthenticate', device, key),
      );
      return status === 200 ? body : body.code;
    },
    validate: async (token) => {
      const answer = await app.app.get(QueryBus).execute(new ValidateRefreshTokenQuery(token));
      return answer.ok ? answer.value.generation : answer.reason.reason;
    },
    admits: async (accessToken) => (await statusOfMe(app, accessToken)) === 200,
    logOut: async (refreshToken) => {
      expecting(204, await app.post('/auth/logout', { refreshToken }));
    },
    logOutEverywhere: async (_user, { accessToken }) =>
      expecting(200, await app.request('POST', '/auth/logout-all', { bearer: accessToken })).body.revokedSessions,
    changePassword: async (_user, { accessToken }, currentPassword, newPassword) =>
      expecting(
        200,
        await app.request('POST', '/auth/password', { bearer: accessToken, body: { currentPassword, newPassword } }),
      ).body,
    raiseUserFloor: async ({ id }) => {
      await rotateUser(app, id);
    },
    raiseGlobalFloor: async (mode, graceSeconds) => {
      await rotateAll(app, { mode, ...(graceSeconds !== null && { gracePeriodSeconds: graceSeconds }) });
    },
    pass: async (seconds, sessionIds) => {
      for (const id of sessionIds) await age(app, id, seconds);
      await app.query(
        `UPDATE security_policy SET grace_ends_at = grace_ends_at - make_interval(secs => $1),
                recovery_until = recovery_until - make_interval(secs => $1), updated_at = clock_timestamp()`,
        [seconds],
      );
      await guardHasLooked(app);
    },
    cleanUp: async () => {
      await app.app.get(CommandBus).execute(new CleanUpSessionsCommand());
    },
    moveRecovery: async (seconds) => {
      await app.app.get(CommandBus).execute(new RecoverAfterFailoverCommand('a test', seconds));
    },
    rowOf: (sessionId) => snapshotOf(app, sessionId),
    putBack: async (sessionId, row, seconds) => {
      await putBack(app, sessionId, row);
      await age(app, sessionId, seconds);
    },
    endings: (users) =>
      app.query<Ending>(
        `SELECT attempt_id AS "attemptId", count(*) FILTER (WHERE type ~ '\\.attempted\\.v1$')::integer AS begun,
                count(*) FILTER (WHERE type ~ '\\.(succeeded|failed)\\.v1$')::integer AS ended
           FROM ${EVENTS}
          WHERE attempt_id IN (SELECT attempt_id FROM auth_events WHERE user_id = ANY($1))
            AND type ~ '\\.(attempted|succeeded|failed)\\.v1$'
          GROUP BY attempt_id`,
        [users.map(({ id }) => id)],
      ),
    close: async () => undefined,
  };
}
