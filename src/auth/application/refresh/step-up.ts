import {
  type AuthEvent,
  type FaultReason,
  ReauthenticationAttempted,
  ReauthenticationFailed,
  type ReauthenticationFailureReason,
  ReauthenticationSucceeded,
} from '../../domain/events';
import type { NewProof } from '../../domain/session';
import type { Attempt } from '../attempt';
import type { GrantedRefresh } from './refresh-judge';

/** What has proved the user: its name in the record, and what access tokens say of it. */
export interface Proven extends Pick<NewProof, 'amr' | 'acr'> {
  readonly method: string;
}

/** Why nothing was proved, for the record, and what the caller learns. */
export interface Unproven<R> {
  readonly reason: ReauthenticationFailureReason;
  readonly refusal: R;
}

/**
 * The proof that goes with a refresh. It is asked for once the refresh is granted, so that a dead token asks nothing, and only
 * once, however often the refresh is decided anew: whatever ends the user's sessions in the meantime refuses it then. In the
 * trail it is an attempt of its own.
 */
export class StepUp<R> {
  private subject: { readonly userId: string; readonly sessionId: string; readonly generation: number } | null = null;
  private answered: { readonly method: string; readonly proof: NewProof } | null = null;

  constructor(
    private readonly attempt: Attempt,
    private readonly ask: (granted: GrantedRefresh) => Promise<Proven | Unproven<R>>,
  ) {}

  /** Resolves with null once the proof is there. */
  async prove(granted: GrantedRefresh): Promise<Unproven<R> | null> {
    if (this.answered !== null) return null;
    const { token, facts } = granted;
    this.subject = { userId: facts.session.userId, sessionId: token.sessionId, generation: token.generation };
    const answer = await this.ask(granted);
    if ('reason' in answer) return answer;
    const { method, amr, acr } = answer;
    // The time of before the proof: what was read then decides whether it counts.
    this.answered = { method, proof: { authTime: facts.now, amr, acr } };
    return null;
  }

  get isAsked(): boolean {
    return this.subject !== null;
  }

  get proof(): NewProof | undefined {
    return this.answered?.proof;
  }

  /** The record of a proof whose refresh is written. */
  succeeded(): AuthEvent[] {
    const { subject, answered } = this;
    if (subject === null || answered === null) return [];
    const { method, proof } = answered;
    const successor = { ...subject, generation: subject.generation + 1 };
    return [
      new ReauthenticationAttempted(this.attempt.beginning(subject)),
      new ReauthenticationSucceeded(this.attempt.ending(successor), method, proof.amr, proof.acr),
    ];
  }

  /** The record of a proof that failed, or whose refresh did; empty if it was not asked for. */
  failed(reason: ReauthenticationFailureReason | FaultReason): AuthEvent[] {
    const { subject } = this;
    if (subject === null) return [];
    return [
      new ReauthenticationAttempted(this.attempt.beginning(subject)),
      new ReauthenticationFailed(this.attempt.ending(subject), reason),
    ];
  }
}
