import { Injectable } from '@nestjs/common';
import * as openid from 'openid-client';

/** What the browser's round trip must bring back. */
export interface RoundTrip {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

/** Who the provider says has signed in. */
export interface ProvenIdentity {
  readonly issuer: string;
  readonly subject: string;
  /** Null unless the provider has verified it. */
  readonly email: string | null;
  /** When and how they have, as far as the provider says it. */
  readonly authTime?: Date;
  readonly amr?: readonly string[];
}

/** The application as a client of an OpenID provider: the authorization code flow with PKCE, state and nonce. */
@Injectable()
export class ProviderClient {
  private readonly issuer = process.env.OIDC_ISSUER ?? '';
  private configuration?: Promise<openid.Configuration>;

  async begin(redirectUri: string): Promise<{ url: string; trip: RoundTrip }> {
    const trip = {
      state: openid.randomState(),
      nonce: openid.randomNonce(),
      verifier: openid.randomPKCECodeVerifier(),
    };
    const url = openid.buildAuthorizationUrl(await this.discovered(), {
      redirect_uri: redirectUri,
      scope: 'openid email',
      state: trip.state,
      nonce: trip.nonce,
      code_challenge: await openid.calculatePKCECodeChallenge(trip.verifier),
      code_challenge_method: 'S256',
    });
    return { url: url.href, trip };
  }

  /** @throws an error of openid-client if the answer is not the one to this round trip */
  async end(callback: URL, { state, nonce, verifier }: RoundTrip): Promise<ProvenIdentity> {
    const tokens = await openid.authorizationCodeGrant(await this.discovered(), callback, {
      expectedState: state,
      expectedNonce: nonce,
      pkceCodeVerifier: verifier,
      idTokenExpected: true,
    });
    const { iss, sub, email, email_verified: isVerified, auth_time: time, amr } = tokens.claims()!;
    return {
      issuer: iss,
      subject: sub,
      email: isVerified === true && typeof email === 'string' ? email : null,
      ...(typeof time === 'number' && { authTime: new Date(time * 1000) }),
      ...(Array.isArray(amr) && { amr: amr.filter((method) => typeof method === 'string') }),
    };
  }

  private discovered(): Promise<openid.Configuration> {
    this.configuration ??= this.discover().catch((error: unknown) => {
      this.configuration = undefined;
      throw error;
    });
    return this.configuration;
  }

  private discover(): Promise<openid.Configuration> {
    const { OIDC_CLIENT_ID = '', OIDC_CLIENT_SECRET = '' } = process.env;
    // A provider on one's own machine has no https.
    const execute = this.issuer.startsWith('http:') ? [openid.allowInsecureRequests] : [];
    return openid.discovery(new URL(this.issuer), OIDC_CLIENT_ID, OIDC_CLIENT_SECRET, undefined, { execute });
  }
}
