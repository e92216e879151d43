import { setTimeout as delay } from 'node:timers/promises';
import { CommandBus } from '@nestjs/cqrs';
import { NIL } from 'uuid';
import { FactorChangedCommand, IssueResetTicketCommand, ResetPasswordCommand, RevocationView } from '../../../src';
import { ADMIN, type Account, type Answer, type Json, type TestApplication } from '../../support/app/test-application';
import { granted } from '../../support/result';

/** As the administrator, who signs in for it: a global rotation may have ended whatever there was before. */
export async function asAdmin(app: TestApplication, method: string, path: string, body?: unknown): Promise<Answer> {
  const { accessToken } = (await app.logIn(ADMIN)).body;
  return app.request(method, path, { bearer: accessToken, ...(body !== undefined && { body }) });
}

export interface GlobalRotationRequest {
  readonly mode?: 'immediate' | 'drain' | 'migrate';
  readonly gracePeriodSeconds?: number;
  readonly expectedVersion?: number;
}

/** A global rotation's answer. */
export async function rotateAll(app: TestApplication, request: GlobalRotationRequest = {}): Promise<Json> {
  const { status, body } = await asAdmin(app, 'POST', '/admin/security/rotations', { reason: 'a test', ...request });
  if (status !== 201) throw new Error(`The rotation was answered ${status}: ${JSON.stringify(body)}`);
  return body;
}

/** A user rotation's answer. */
export async function rotateUser(app: TestApplication, userId: string): Promise<Json> {
  const { status, body } = await asAdmin(app, 'POST', `/admin/users/${userId}/rotations`, { reason: 'a test' });
  if (status !== 201) throw new Error(`The rotation was answered ${status}: ${JSON.stringify(body)}`);
  return body;
}

export const changePassword = (app: TestApplication, bearer: string, from: Account, newPassword: string) =>
  app.request('POST', '/auth/password', { bearer, body: { currentPassword: from.password, newPassword } });

/** As a route of a host would: the application has none. */
const answered = (isOk: boolean): Answer => ({ status: isOk ? 200 : 401, headers: new Headers(), body: undefined });

export async function resetPassword(app: TestApplication, userId: string, newPassword: string): Promise<Answer> {
  const commands = app.app.get(CommandBus);
  const ticket = granted(await commands.execute(new IssueResetTicketCommand(userId)));
  return answered((await commands.execute(new ResetPasswordCommand(ticket, newPassword))).ok);
}

export async function changeFactor(app: TestApplication, userId: string, except?: string): Promise<Answer> {
  await app.app.get(CommandBus).execute(new FactorChangedCommand(userId, 'totp', { except }));
  return answered(true);
}

export const statusOfMe = async (app: TestApplication, accessToken: string): Promise<number> =>
  (await app.get('/auth/me', accessToken)).status;

export const policyOf = async (app: TestApplication): Promise<Json> =>
  (await app.query('SELECT * FROM security_policy'))[0];

/** Moves the deadline of the grace that runs, which nothing else can, and waits until the guard knows. */
export async function moveDeadline(app: TestApplication, seconds: number): Promise<void> {
  await app.query(
    'UPDATE security_policy SET grace_ends_at = now() + make_interval(secs => $1), updated_at = clock_timestamp()',
    [seconds],
  );
  await guardHasLooked(app);
}

/** Resolves when the guard has read what was committed before this call. */
export async function guardHasLooked(app: TestApplication): Promise<void> {
  const view = app.app.get(RevocationView, { strict: false });
  const start = performance.now();
  view.hint();
  while (view.stalenessSeconds * 1000 > performance.now() - start) await delay(5);
}

/** Resolves when the guard's idea of the database's clock, and that clock itself, are past `moment`. */
export async function guardsClockPasses(app: TestApplication, moment: Date): Promise<void> {
  const view = app.app.get(RevocationView, { strict: false });
  await app.query(`SELECT pg_sleep_until($1::timestamptz + interval '1 millisecond')`, [moment]);
  while (view.floorsOf(NIL).now <= moment) await delay(5);
}
