/** The key of a device that a session is bound to. */
export type Binding = DpopBinding | DbscBinding;

/** `jkt` is the thumbprint of the key of its DPoP proofs (RFC 9449 section 6). */
export interface DpopBinding {
  readonly kind: 'dpop';
  readonly jkt: string;
}

/** The browser refreshes by itself (Device Bound Session Credentials, a draft of the W3C; experimental). */
export interface DbscBinding {
  readonly kind: 'dbsc';
  /** The name of the session between server and browser: the id of the session in which the key was registered. */
  readonly id: string;
  /** The public key. */
  readonly jwk: Readonly<Record<string, string>>;
}

/** A `DPoP` header, and the request that it came with. */
export interface DpopProof {
  readonly kind: 'dpop';
  readonly jwt: string;
  readonly method: string;
  /** The path of the request, without the origin; a query does not count. */
  readonly path: string;
}

/** A `Secure-Session-Response` header of a refresh. */
export interface DbscProof {
  readonly kind: 'dbsc';
  readonly jwt: string;
}

/**
 * A valid access token of the session, as the bound cookie: no script can ask the browser for a proof. With a password it is
 * enough.
 */
export interface BoundCookieProof {
  readonly kind: 'bound_cookie';
  readonly accessToken: string;
}

/** Whether the key that a session is bound to has signed the request; false for a session that is not bound, or to a key of another kind. */
export interface KeyProof {
  /** It is not signed: the bound cookie stands for the key. */
  readonly isByCookie?: true;
  isBy(session: { readonly id: string; readonly binding: Binding | null }): Promise<boolean>;
}
