import { InvalidConfiguration } from '../config';
import { messageOf } from '../support/message-of';
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

const oneLine = (text: string): string => printable(text.trim().replace(/\s*\n\s*/g, ' '));

export const complain = (problem: string): void => void process.stderr.write(`ratchet: ${oneLine(problem)}\n`);
