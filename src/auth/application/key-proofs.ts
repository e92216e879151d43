import { Injectable } from '@nestjs/common';
import { AccessTokenAuthenticator } from '../../guard/access-token.authenticator';
import type { BoundCookieProof, DbscProof, DpopProof, KeyProof } from '../domain/binding';
import { DbscProofs } from './dbsc-proofs';
import { DpopProofs } from './dpop-proofs';

/** Reads the proof of a refresh, of whichever kind. */
@Injectable()
export class KeyProofs {
  constructor(
    private readonly dpop: DpopProofs,
    private readonly dbsc: DbscProofs,
    private readonly authenticator: AccessTokenAuthenticator,
  ) {}

  /** @throws ProofProblem of a DPoP proof */
  of(given: DpopProof | DbscProof | BoundCookieProof | undefined): KeyProof | undefined {
    switch (given?.kind) {
      case 'dpop':
        return this.dpop.keyProofOf(given);
      case 'dbsc':
        return this.dbsc.keyProofOf(given);
      case 'bound_cookie':
        return this.byCookie(given);
      default:
        return undefined;
    }
  }

  private byCookie({ accessToken }: BoundCookieProof): KeyProof {
    return {
      isByCookie: true,
      isBy: async ({ id, binding }) => {
        const principal = binding?.kind === 'dbsc' ? await this.authenticator.authenticate(accessToken) : null;
        // Of an actor, it would be the token of another user.
        return principal?.sessionId === id && principal.actor === null;
      },
    };
  }
}
