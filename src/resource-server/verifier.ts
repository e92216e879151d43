import { type AccessProof, AccessTokenAuthenticator } from '../guard/access-token.authenticator';
import { originsOf } from '../guard/origins';
import type { Principal } from '../guard/principal';
import { RevocationView, type ViewLimits } from '../guard/revocation.view';
import type { Log } from '../support/outage';
import { HttpRevocationFeed, longestWait } from './http-revocation.feed';
import { JwksAccessTokenKeys } from './jwks-access-token.keys';
import type { ResourceServerSettings } from './options';

/** A view of more would need a gigabyte. */
const MAX_REVOCATIONS = 5_000_000;

/** Verifies access tokens in memory, by the public keys and the revocations of the authorization server. */
export class RatchetVerifier {
  readonly view: RevocationView;
  readonly authenticator: AccessTokenAuthenticator;
  private readonly keys: JwksAccessTokenKeys;

  constructor(settings: ResourceServerSettings, log: Log) {
    const feed = new HttpRevocationFeed(settings);
    const limits: ViewLimits = {
      get accessTokenTtlSeconds() {
        return feed.longestTtlSeconds;
      },
      maxStalenessSeconds: settings.maxStalenessSeconds,
      maxWaitMs: longestWait(settings) * 1000,
      maxRevocations: MAX_REVOCATIONS,
    };
    this.view = new RevocationView(feed, limits, log, NO_METRICS);
    this.keys = new JwksAccessTokenKeys(settings, log);
    this.authenticator = new AccessTokenAuthenticator(this.keys, this.view, feed, originsOf(settings.publicOrigin));
    this.keys.onWithdrawn = () => this.authenticator.forget();
  }

  /** Reads keys and revocations, and keeps them fresh until {@link stop}. A failure is logged, and tried again. */
  async start(): Promise<void> {
    await Promise.all([this.keys.start(), this.view.start()]);
  }

  /** Ends the poll that waits. */
  async stop(): Promise<void> {
    await Promise.all([this.keys.stop(), this.view.stop()]);
  }

  /**
   * The user and session of an access token, or null for one that is not valid, or not any more: answer it with 401. At once,
   * and as a promise only while a key is fetched, or after this process was frozen.
   *
   * Of a request with `Authorization: DPoP …`, give the `DPoP` header as the `proof`: a token that is bound to a key is refused
   * without it, and any other token with it (RFC 9449 section 7.1).
   * @throws Overloaded when this service cannot decide: answer 503 with `Retry-After`
   */
  verify(token: string, proof?: AccessProof): Principal | null | Promise<Principal | null> {
    return this.authenticator.authenticate(token, proof);
  }
}

const NO_METRICS = { viewRefreshed: () => undefined, revocationSeen: () => undefined };
