/**
 * A DPoP proof that cannot be used (RFC 9449). With a `nonce`, the same request is asked for again with a new proof that contains
 * it; without one, the proof is malformed or not for this request. Nothing was changed or recorded.
 */
export class ProofProblem extends Error {
  constructor(readonly nonce: string | null) {
    super(nonce === null ? 'The DPoP proof is not valid' : 'The DPoP proof requires a nonce of this server');
  }
}
