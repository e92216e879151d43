import { hostname, userInfo } from 'node:os';
import type { INestApplicationContext } from '@nestjs/common';
import { isUUID, validateSync } from 'class-validator';
import { InvalidArgumentError } from 'commander';
import type { z } from 'zod';
import { RotateUserDto } from '../auth/http';
import { type Actor, UserDirectory } from '../index';
import { Failure } from './failure';

/** Reads an option by a rule of the configuration. */
export const by =
  <T>(schema: z.ZodType<T, string>) =>
  (written: string): T => {
    const parsed = schema.safeParse(written);
    if (!parsed.success) throw new InvalidArgumentError(`It ${schema.description ?? 'is not valid'}.`);
    return parsed.data;
  };

export function sessionId(written: string): string {
  if (!isUUID(written)) throw new InvalidArgumentError('It must be a UUID.');
  return written.toLowerCase();
}

/** Still what was written: {@link userIdOf} asks the directory. */
export function user(written: string): string {
  if (!isUUID(written) && !written.includes('@')) throw new InvalidArgumentError('It must be a UUID or an e-mail.');
  return written;
}

/** By the rule of the HTTP interface: the audit trail keeps reasons. */
export function reason(written: string): string {
  const [error] = validateSync(Object.assign(new RotateUserDto(), { reason: written }));
  if (error !== undefined) throw new InvalidArgumentError(`The ${Object.values(error.constraints ?? {}).join(', ')}.`);
  return written;
}

/** An id is taken as it is: the sessions of a user who has been deleted can be listed and revoked too. */
export async function userIdOf(app: INestApplicationContext, written: string): Promise<string> {
  if (isUUID(written)) return written.toLowerCase();
  const found = await app.get(UserDirectory).findByLogin(written);
  if (found === null) throw new Failure(`No user has the e-mail ${written}`);
  return found.id;
}

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
