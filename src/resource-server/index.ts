/**
 * Verifies access tokens in any service, without Nest and without a database.
 * @module nest-ratchet/resource-server
 */
import type { Log } from '../support/outage';
import { completeResourceServerOptions, type ResourceServerOptions } from './options';
import { RatchetVerifier } from './verifier';

export { Overloaded } from '../support/overloaded';
export type { Log } from '../support/outage';
export type { AccessProof } from '../guard/access-token.authenticator';
export type { Principal } from '../guard/principal';
export { InvalidResourceServerOptions, type ResourceServerOptions } from './options';
export { type RatchetVerifier } from './verifier';

const standardError: Log = {
  warn: (message) => void process.stderr.write(`nest-ratchet: ${message}\n`),
  log: (message) => void process.stderr.write(`nest-ratchet: ${message}\n`),
};

/**
 * A verifier of access tokens, not yet started. It logs to standard error, or to `log`.
 * @throws InvalidResourceServerOptions naming every problem at once
 */
export const ratchetVerifier = (options: ResourceServerOptions, log: Log = standardError): RatchetVerifier =>
  new RatchetVerifier(completeResourceServerOptions(options), log);
