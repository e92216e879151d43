import { Injectable } from '@nestjs/common';
import type { KeyProof } from '../../domain/binding';
import { RevocationView } from '../../../guard/revocation.view';
import { decideRefresh, type RefreshDenial, type RefreshFacts, type RefreshGrant } from '../../domain/refresh-decision';
import { digestOf, type RefreshToken, RefreshTokenKeyRing, retryKeyHashOf } from '../../domain/refresh-token';
import { AuthOptions } from '../../options/auth.options';
import { SessionRepository } from '../../ports/session.repository';
import { checkedUser } from '../../ports/user-directory';
import { RecoveryPending } from '../faults';
import { HostUsers } from '../host-users';
import type { RefreshAccessTokenCommand } from './refresh-access-token.command';

/** A decision with its inputs: `facts` are null if there is no such session, `token` is null for junk. */
export type RefreshJudgement = GrantedRefresh | DeniedRefresh;

export interface GrantedRefresh {
  readonly granted: true;
  readonly decision: RefreshGrant;
  readonly token: RefreshToken;
  readonly facts: RefreshFacts;
  readonly retryKeyHash: Buffer | null;
}

export interface DeniedRefresh {
  readonly granted: false;
  readonly decision: RefreshDenial;
  readonly token: RefreshToken | null;
  readonly facts: RefreshFacts | null;
}

/** How often a token is judged while its session changes under it: the first time, and three more. */
export const MAX_ROUNDS = 4;

const UNKNOWN: RefreshDenial = { outcome: 'refuse', reason: 'token_invalid' };

/** Decides the answer to a refresh: one read, then pure rules. It has no effects. */
@Injectable()
export class RefreshJudge {
  constructor(
    private readonly keys: RefreshTokenKeyRing,
    private readonly sessions: SessionRepository,
    private readonly users: HostUsers,
    private readonly options: AuthOptions,
    private readonly view: RevocationView,
  ) {}

  /** Without a `proof`, a bound session is refused. */
  async judge(
    { refreshToken, retryKey, delivery }: Pick<RefreshAccessTokenCommand, 'refreshToken' | 'retryKey' | 'delivery'>,
    proof: KeyProof | undefined,
  ): Promise<RefreshJudgement> {
    const token = this.keys.open(refreshToken);
    if (token === null) return { granted: false, decision: UNKNOWN, token, facts: null };
    const reading = await this.sessions.findForRefresh(token.sessionId);
    if (reading === null) return { granted: false, decision: UNKNOWN, token, facts: null };

    const { userId, binding } = reading.session;
    const user = reading.user === undefined ? await this.users.findById(userId) : checkedUser('joinable', reading.user);
    // Spelled otherwise, it is not the user whose floors were read, and whose sessions an ending finds.
    const facts = { ...reading, user: user?.id === userId ? user : null };
    const retryKeyHash = this.options.retryKeys ? retryKeyHashOf(retryKey) : null;
    const isProven = binding !== null && proof !== undefined && (await proof.isBy(reading.session));
    const presented = { generation: token.generation, digest: digestOf(token), retryKeyHash, delivery, isProven };
    const judged = decideRefresh(presented, facts, this.options);
    // Without the key itself, an older token of a bound session is no evidence.
    const decision =
      proof?.isByCookie === true && judged.outcome === 'refuse' && judged.revoke === 'reuse_detected'
        ? decideRefresh({ ...presented, isProven: false }, facts, this.options)
        : judged;
    return decision.outcome === 'rotate' || decision.outcome === 'replay'
      ? { granted: true, decision, token, facts, retryKeyHash }
      : { granted: false, decision, token, facts };
  }

  /**
   * Whether a refusal is one to act on. Shortly after a failover it may be that of a token which a recovery epoch would adopt.
   * @throws RecoveryPending if it is, so that the client keeps the token until the operator has declared the epoch
   */
  demandSettled({ decision }: RefreshJudgement): void {
    if (decision.outcome === 'refuse' && decision.adoptable && this.view.otherServerAnswered)
      throw new RecoveryPending();
  }
}
