import {
  type AuthEvent,
  type FaultReason,
  LoginAttempted,
  LoginFailed,
  type LoginFailureReason,
  LoginSucceeded,
} from '../../domain/events';
import type { Attempt, Subject } from '../attempt';
import type { OpenedSession } from './open-session';

/** The record of a sign-in that opened a session. */
export const recordOfSuccess = (attempt: Attempt, opened: OpenedSession, method: string): AuthEvent[] => [
  new LoginAttempted(attempt.beginning(opened.subject)),
  new LoginSucceeded(attempt.ending(opened.subject), method),
  ...opened.events,
];

export const recordOfFailure = (
  attempt: Attempt,
  subject: Subject,
  reason: LoginFailureReason | FaultReason,
  evidence: LoginFailed['evidence'] = null,
): AuthEvent[] => [
  new LoginAttempted(attempt.beginning(subject)),
  new LoginFailed(attempt.ending(subject), reason, evidence),
];
