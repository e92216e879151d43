import { hostname, userInfo } from 'node:os';
import type { INestApplicationContext } from '@nestjs/common';
import { InvalidArgumentError } from 'commander';
import type { Reading } from '../readings';
import { type Actor, idProblem, HostUsers, reasonProblem, UserDirectory, userIdProblem } from '../index';
import { Failure } from './failure';
import { HostUserDirectory } from './host-user.directory';

/** Reads an option as the configuration would. */
export const by =
  <T>({ words, read }: Reading<T>) =>
  (written: string): T => {
    const value = read(written);
    if (value === undefined) throw new InvalidArgumentError(`It ${words}.`);
    return value;
  };

export function sessionId(written: string): string {
  const problem = idProblem(written);
  if (problem !== null) throw new InvalidArgumentError(`It ${problem}.`);
  return written.toLowerCase();
}

/** Still what was written: {@link userIdOf} asks the directory. */
export function user(written: string): string {
  const problem = userIdProblem(written);
  if (problem !== null) throw new InvalidArgumentError(`It must be an e-mail or an id, which ${problem}.`);
  return written;
}

export function reason(written: string): string {
  const problem = reasonProblem(written);
  if (problem !== null) throw new InvalidArgumentError(`The reason ${problem}.`);
  return written;
}

/** An unknown id is taken as it is: the sessions of a user who has been deleted can be listed and revoked too. */
export async function userIdOf(app: INestApplicationContext, written: string): Promise<string> {
  const users = new HostUsers(app.get(UserDirectory));
  if (!written.includes('@')) return users.spellingOf(written);
  if (users.directory instanceof HostUserDirectory) throw new Failure(HOST_KNOWS_EMAILS);
  const found = await users.findByLogin(written);
  if (found === null) throw new Failure(`No user has the e-mail ${written}`);
  return found.id;
}

const HOST_KNOWS_EMAILS = 'The users are those of another application, which alone knows their e-mails: give the id';

/** The audit trail has no user id for the command line, so it keeps who runs it, and where. */
export const operator = (): Actor => ({
  client: { userAgent: `ratchet command line (${accountName()}@${hostname()})` },
});

function accountName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.()); // a container started with a bare id
  }
}
