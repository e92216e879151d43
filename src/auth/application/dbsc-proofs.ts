import { Injectable } from '@nestjs/common';
import type { DbscBinding, DbscProof, KeyProof } from '../domain/binding';
import { isSameKey, isSignedByDevice, parseSignedChallenge, registeredKeyOf, SessionChallenges } from '../domain/dbsc';
import { Clock } from '../ports/clock';

/** The registration of a key, which is signed by it: a {@link KeyProof} where the session is bound to the same key already. */
export interface KeyRegistration extends KeyProof {
  readonly jwk: DbscBinding['jwk'];
  /** Whether it answers an invitation that was given to this session, within the last minutes. */
  isInvitedTo(sessionId: string): boolean;
}

/** Reads what browsers sign for a bound session, and gives the challenges (DBSC, experimental). */
@Injectable()
export class DbscProofs {
  constructor(
    private readonly challenges: SessionChallenges,
    private readonly clock: Clock,
  ) {}

  /** What the answer to a login says, for the browser to register a key. */
  invitationTo(sessionId: string): { readonly challenge: string; readonly authorization: string } {
    const now = this.clock.now();
    return {
      challenge: this.challenges.challengeOf(sessionId, now),
      authorization: this.challenges.authorizationOf(sessionId, now),
    };
  }

  /** The next challenge of the session that the browser knows as `id`. */
  challengeOf(id: string): string {
    return this.challenges.challengeOf(id, this.clock.now());
  }

  /** Whether it signs a fresh challenge of this session; by which key, the refresh finds out. */
  answersChallenge({ jwt }: DbscProof, id: string): boolean {
    const signed = parseSignedChallenge(jwt);
    return signed !== null && this.challenges.isFresh(signed.challenge, id, this.clock.now());
  }

  keyProofOf({ jwt }: DbscProof): KeyProof {
    const signed = parseSignedChallenge(jwt);
    return {
      isBy: async ({ binding }) =>
        binding?.kind === 'dbsc' &&
        signed !== null &&
        this.challenges.isFresh(signed.challenge, binding.id, this.clock.now()) &&
        isSignedByDevice(signed, binding),
    };
  }

  /** Null for what is no registration: without a key of its own, or not signed by it. */
  registrationOf({ jwt }: DbscProof): KeyRegistration | null {
    const signed = parseSignedChallenge(jwt);
    const jwk = signed && registeredKeyOf(signed);
    if (signed === null || jwk === null) return null;
    return {
      jwk,
      isInvitedTo: (sessionId) => this.challenges.isInvited(signed, sessionId, this.clock.now()),
      isBy: async ({ binding }) => binding?.kind === 'dbsc' && isSameKey(binding.jwk, jwk),
    };
  }
}
