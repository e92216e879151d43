import { InvalidConfiguration } from '../config';
import { printable } from './text';

export const EXIT = { ok: 0, refused: 1, usage: 2, configuration: 3, dependency: 4 } as const;

/** The end of a command that did not do what it was asked to: one line for people, one number for scripts. */
export class Failure extends Error {
  constructor(
    message: string,
    readonly exitCode: number = EXIT.refused,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  return error instanceof InvalidConfiguration
    ? new Failure(`The configuration is not usable: ${error.problems.join('; ')}`, EXIT.configuration)
    : new Failure(messageOf(error), EXIT.refused, { cause: error });
}

/** A connection that was refused on every address has no message of its own. */
export function messageOf(error: unknown): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return first instanceof Error ? first.message : String(first);
}

const oneLine = (text: string): string => printable(text.trim().replace(/\s*\n\s*/g, ' '));

export const complain = (problem: string): void => void process.stderr.write(`ratchet: ${oneLine(problem)}\n`);
