import type { HttpAnswer } from './http-client';

/** A closed loop of `clients`, each with a connection and a share of the sessions of its own. */
export interface Job {
  /** Whose tokens are used; jobs with the same name continue each other's chains. */
  readonly target: string;
  /** Clients spread over them in turn. */
  readonly urls: readonly string[];
  readonly workload: Workload;
  readonly clients: number;
  /** How long to go on. */
  readonly seconds?: number;
  /** How many requests to make, instead of a time. */
  readonly requests?: number;
}

export type Workload =
  | {
      readonly kind: 'refresh';
      /** Base64 of the refresh-token key; without one the floor's tokens. */
      readonly root?: string;
      readonly sessions: number;
      /** The key, in PEM, that proves each refresh of a bound session. */
      readonly device?: string;
    }
  /** Each client signs in as another of them, again and again. */
  | { readonly kind: 'login'; readonly emails: readonly string[]; readonly password: string }
  | { readonly kind: 'junk'; readonly token: string }
  | { readonly kind: 'get'; readonly path: string; readonly bearers?: readonly string[]; readonly device?: string }
  | { readonly kind: 'oidc'; readonly tokens: readonly string[]; readonly clientId: string }
  | { readonly kind: 'renewal'; readonly path: string; readonly cookies: readonly string[] };

export interface JobResult {
  readonly requests: number;
  readonly seconds: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Answers that were not the expected ones, by status, each with the first body. */
  readonly failures: Readonly<Record<string, string | undefined>>;
  readonly failed: number;
}

/** better-auth answers 200 and `null` where there is no session, and sets the cookie again where it has renewed one. */
export const isRenewal = ({ head, body }: HttpAnswer): boolean => body.startsWith('{') && /\r\nset-cookie:/i.test(head);
