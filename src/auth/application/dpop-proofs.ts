import { hash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { isProofFor, parseProof, thumbprintOf, type UnverifiedProof } from '../../guard/dpop';
import { spellingsOf } from '../../support/loopback';
import { ProofProblem } from '../../support/proof-problem';
import type { DpopBinding, DpopProof, KeyProof } from '../domain/binding';
import { DpopNonces } from '../domain/dpop-nonces';
import type { Delivery } from '../domain/session';
import { AuthOptions } from '../options/auth.options';
import { Clock } from '../ports/clock';
import { SeenProofs } from '../ports/seen-proofs';

/** Reads DPoP proofs (RFC 9449). A proof is recent by its nonce, which this server has given; the client's clock does not count. */
@Injectable()
export class DpopProofs {
  private readonly origins: readonly string[];

  constructor(
    private readonly nonces: DpopNonces,
    private readonly seen: SeenProofs,
    private readonly options: AuthOptions,
    private readonly clock: Clock,
  ) {
    this.origins = spellingsOf(options.publicOrigin);
  }

  /**
   * The binding of a session that is opened with this proof; null without one, and where no session is bound: with the option
   * `off`, or without a public origin to compare the proof's with.
   * @throws ProofProblem, also without a proof if the option is `required`
   */
  async bindingBy(given: DpopProof | undefined, delivery: Delivery): Promise<DpopBinding | null> {
    if (given === undefined && this.options.dpop === 'required' && delivery === 'body') throw new ProofProblem(null);
    if (given === undefined || this.options.dpop === 'off' || this.origins.length === 0) return null;
    const proof = this.recent(given);
    const binding: DpopBinding = { kind: 'dpop', jkt: thumbprintOf(proof.key) };
    if (!this.isForRequest(proof, given)) throw new ProofProblem(null);
    await this.use(proof, binding);
    return binding;
  }

  /**
   * The proof of a refresh, whose signature is verified once the session is known to be bound: for other sessions it is ignored.
   * @throws ProofProblem, before the refresh token is looked at; {@link KeyProof.isBy} for a proof that was used before
   */
  keyProofOf(given: DpopProof): KeyProof {
    const proof = this.recent(given);
    let answer: Promise<boolean> | undefined;
    const verify = async (binding: DpopBinding): Promise<boolean> => {
      if (thumbprintOf(proof.key) !== binding.jkt || !this.isForRequest(proof, given)) return false;
      await this.use(proof, binding);
      return true;
    };
    // Once, however often the refresh is decided anew: the second time, the proof would have been used.
    return { isBy: async ({ binding }) => binding?.kind === 'dpop' && (answer ??= verify(binding)) };
  }

  private recent({ jwt }: DpopProof): UnverifiedProof {
    const proof = parseProof(jwt);
    if (proof === null) throw new ProofProblem(null);
    if (!this.nonces.accepts(proof.nonce, this.clock.now())) throw this.challenge();
    return proof;
  }

  private isForRequest(proof: UnverifiedProof, { method, path }: DpopProof): boolean {
    return isProofFor(proof, { method, urls: this.origins.map((origin) => origin + path) });
  }

  /** A proof that was used before is answered like one with an old nonce: a client that has the key can sign another. */
  private async use({ jti }: UnverifiedProof, { jkt }: DpopBinding): Promise<void> {
    if (!(await this.seen.isNew(hash('sha256', `${jkt} ${jti}`, 'base64url')))) throw this.challenge();
  }

  private challenge(): ProofProblem {
    return new ProofProblem(this.nonces.current(this.clock.now()));
  }
}
