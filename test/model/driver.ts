import type { CutOffMode } from '../../src';
import type { Device } from '../support/dpop';

/** What a login, a refresh and a password change give. */
export interface Pair {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly sessionId: string;
  readonly generation: number;
}

/** A refresh as the client sees it: a pair, or a reason. */
export type Refreshed = Pair | string;

export interface User {
  readonly id: string;
  readonly login: string;
}

/** How many beginnings and endings an attempt has. */
export interface Ending {
  readonly attemptId: string;
  readonly begun: number;
  readonly ended: number;
}

/** The system that the model is held against. */
export interface Driver {
  /** Whether time that passes here also ages access tokens, which nobody can reach. */
  readonly agesAccessTokens: boolean;
  globalFloor(): Promise<number>;
  openAccount(): Promise<User>;
  /** With a device, the session is bound to its key. */
  logIn(user: User, password: string, device?: Device): Promise<Pair>;
  refresh(token: string, key: string | undefined, device?: Device): Promise<Refreshed>;
  /** A refresh that also proves the password. */
  reauthenticate(token: string, password: string, key: string | undefined, device?: Device): Promise<Refreshed>;
  /** What a refresh would be answered, with the proof that it requires, without doing it: the generation that it would leave, or the reason. */
  validate(token: string): Promise<number | string>;
  /** Whether the guard lets an access token in. */
  admits(accessToken: string): Promise<boolean>;
  logOut(token: string): Promise<void>;
  logOutEverywhere(user: User, by: Pair): Promise<number>;
  changePassword(user: User, by: Pair, from: string, to: string): Promise<Pair>;
  raiseUserFloor(user: User): Promise<void>;
  raiseGlobalFloor(mode: CutOffMode, graceSeconds: number | null): Promise<void>;
  pass(seconds: number, sessionIds: readonly string[]): Promise<void>;
  cleanUp(): Promise<void>;
  /** Sets the end of the recovery epoch. */
  moveRecovery(seconds: number): Promise<void>;
  /** The session's row as it is now. */
  rowOf(sessionId: string): Promise<unknown>;
  /** Puts a row back, as a failover does that loses the commits of the last `seconds`. */
  putBack(sessionId: string, row: unknown, seconds: number): Promise<void>;
  /** The attempts of these users. */
  endings(users: readonly User[]): Promise<readonly Ending[]>;
  close(): Promise<void>;
}

/**
 * Every limit ends on 500 seconds and every step of time is whole thousands, so that the seconds that a test takes by
 * itself never decide anything.
 */
export const LIMITS = {
  windowSeconds: 1500,
  maxReplays: 3,
  accessTokenTtlSeconds: 2500,
  idleTtlSeconds: 600_500,
  absoluteTtlSeconds: 2_600_500,
  retentionSeconds: 2_600_000,
  reuseEscalationThreshold: 2,
} as const;
