/** The key of the device that a session is bound to: `jkt` is the thumbprint of the key of its DPoP proofs (RFC 9449 section 6). */
export interface Binding {
  readonly kind: 'dpop';
  readonly jkt: string;
}

/** A `DPoP` header, and the request that it came with. */
export interface DpopProof {
  readonly kind: 'dpop';
  readonly jwt: string;
  readonly method: string;
  /** The path of the request, without the origin; a query does not count. */
  readonly path: string;
}
