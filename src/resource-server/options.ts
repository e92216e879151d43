import { secondsOf } from '../support/duration';
import { isHttpsOrLoopback } from '../support/loopback';

/** What a service must know to verify access tokens by itself. */
export interface ResourceServerOptions {
  /** The `iss` of its tokens: `ACCESS_TOKEN_ISSUER` of the authorization server. */
  readonly issuer: string;
  /** The `aud` of its tokens. */
  readonly audience: string;
  /** Where the public keys are; by default `/.well-known/jwks.json` of the issuer. */
  readonly jwksUrl?: string | undefined;
  readonly feed: {
    /** `GET /auth/revocations` of the authorization server, such as `https://auth.example/auth/revocations`. */
    readonly url: string;
    /** One of `RESOURCE_SERVERS`. */
    readonly name: string;
    readonly secret: string;
  };
  /**
   * The origin that requests to this service are sent to, such as `https://orders.example`: the guard compares the proofs of access
   * tokens that are bound to a key with it (`DPOP=all`). Without one, the guard refuses such tokens.
   */
  readonly publicOrigin?: string | undefined;
  /**
   * After this long without an answer of the feed, every token is answered with 503, as a duration from `30s` to `1h`; by
   * default `60s`. It counts from when the answer was asked for, so a third of it is the longest wait of a poll.
   */
  readonly maxStaleness?: string | undefined;
}

/** The options, read and checked. */
export interface ResourceServerSettings {
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUrl: URL;
  readonly feedUrl: URL;
  /** The `Authorization` header of the feed. */
  readonly authorization: string;
  readonly maxStalenessSeconds: number;
  readonly publicOrigin: string | null;
}

/** The one error of a start with bad options: every option that is wrong, and its rule, never its value. */
export class InvalidResourceServerOptions extends Error {
  constructor(readonly problems: readonly string[]) {
    super(
      `The options of the resource server are not usable:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
    );
  }
}

const MIN_STALENESS = 30;
const MAX_STALENESS = 3600;

/** @throws InvalidResourceServerOptions naming every problem at once */
export function completeResourceServerOptions(given: ResourceServerOptions): ResourceServerSettings {
  const problems: string[] = [];
  const demand = (holds: boolean, problem: string): void => {
    if (!holds) problems.push(problem);
  };
  // Not every host is compiled: anything may be missing.
  const options = given as Partial<ResourceServerOptions>;
  const { issuer, audience, jwksUrl, feed, publicOrigin, maxStaleness = '60s' } = options;
  const { url, name, secret } = (feed ?? {}) as Partial<ResourceServerOptions['feed']>;
  demand(isText(issuer), 'issuer must be a non-empty string');
  demand(isText(audience), 'audience must be a non-empty string');
  demand(isText(name) && !name.includes(':'), 'feed.name must be a non-empty string without colons');
  demand(isText(secret), 'feed.secret must be a non-empty string');
  const feedUrl = secureUrl(url);
  demand(feedUrl !== null, `feed.url ${SECURE}`);
  const keysUrl = secureUrl(jwksUrl ?? `${issuer}/.well-known/jwks.json`);
  demand(
    keysUrl !== null,
    `jwksUrl ${SECURE}${jwksUrl === undefined ? '; without one, the issuer must be such a URL' : ''}`,
  );
  const isOrigin = publicOrigin === undefined || secureUrl(publicOrigin)?.origin === publicOrigin;
  demand(isOrigin, 'publicOrigin must be an https origin, or http on localhost, without a path or a final slash');
  const seconds = stalenessOf(maxStaleness);
  demand(seconds >= MIN_STALENESS && seconds <= MAX_STALENESS, 'maxStaleness must be a duration from 30s to 1h');
  if (problems.length > 0 || feedUrl === null || keysUrl === null) throw new InvalidResourceServerOptions(problems);
  const credentials = [name, secret].map((part) => encodeURIComponent(part as string)).join(':');
  return {
    issuer: issuer as string,
    audience: audience as string,
    jwksUrl: keysUrl,
    feedUrl,
    authorization: `Basic ${Buffer.from(credentials).toString('base64')}`, // RFC 6749 section 2.3.1
    maxStalenessSeconds: seconds,
    publicOrigin: publicOrigin ?? null,
  };
}

const SECURE = 'must be an https URL, or http on localhost, without credentials and fragment';

/** Keys and revocations decide who gets in: nobody between may change them. */
function secureUrl(text: unknown): URL | null {
  if (typeof text !== 'string' || !URL.canParse(text)) return null;
  const url = new URL(text);
  return isHttpsOrLoopback(url) && url.username === '' && url.password === '' && url.hash === '' ? url : null;
}

const isText = (value: unknown): value is string => typeof value === 'string' && /\S/.test(value);

/** NaN for what is no duration. */
const stalenessOf = (duration: unknown): number =>
  typeof duration === 'string' && /^\d{1,4}[smh]$/.test(duration) ? secondsOf(duration) : NaN;
