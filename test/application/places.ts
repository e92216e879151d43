import { randomUUID } from 'node:crypto';
import type { INestApplicationContext } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { PasswordHasher } from '../../src';
import { AuthTestingModule, InMemoryUserDirectory, MovableClock } from '../../src/testing';
import { startTestApplication } from '../support/app/test-application';

/** Where a use case runs: the in-memory ports, or the application on PostgreSQL. */
export interface Place {
  readonly app: INestApplicationContext;
  readonly openAccount: () => Promise<{ id: string; email: string; password: string }>;
  /** Lets time pass where a clock stands. */
  readonly tick: () => void;
  readonly close: () => Promise<void>;
}

export const password = 'a long enough passphrase';

/** What is decided is asked here, not how long it takes: on a busy machine twenty at once outlast the usual time. */
const PATIENT_SECONDS = 60;

async function inMemory(): Promise<Place> {
  const app = await Test.createTestingModule({
    imports: [AuthTestingModule.forRoot({ options: { auditDeadlineMs: PATIENT_SECONDS * 1000 } })],
  }).compile();
  await app.init();
  const openAccount = async () => {
    const id = randomUUID();
    const passwordHash = await app.get(PasswordHasher, { strict: false }).hash(password);
    const user = { id, email: `${id}@example.com`, passwordHash, roles: ['user'], isActive: true };
    await app.get(InMemoryUserDirectory, { strict: false }).add(user);
    return { id, email: user.email, password };
  };
  const tick = () => app.get(MovableClock, { strict: false }).advance(1);
  return { app, openAccount, tick, close: () => app.close() };
}

async function inPostgres(): Promise<Place> {
  const { app, register, close } = await startTestApplication({ env: { AUDIT_DEADLINE: `${PATIENT_SECONDS}s` } }).then(
    (one) => ({
      app: one.app,
      register: () => one.register({ password }),
      close: () => one.close(),
    }),
  );
  return { app, openAccount: register, tick: () => undefined, close };
}

/** For `describe.each`. */
export const PLACES: [string, () => Promise<Place>][] = [
  ['in memory', inMemory],
  ['in PostgreSQL', inPostgres],
];
