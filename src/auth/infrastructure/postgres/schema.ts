import type { EntitySchema, MigrationInterface } from 'typeorm';
import { DEFAULT_SCHEMA } from '../../options/complete-options';
import { authEventEntity } from './auth-event.entity';
import { baseline } from './migrations/1763683200000-baseline';
import { names } from './names';
import { securityPolicyEntity } from './security-policy.entity';
import { sessionEntity } from './session.entity';
import { userTokenVersionEntity } from './user-token-version.entity';

/** What a DataSource needs to know of auth's tables. */
export interface AuthSchema {
  readonly entities: readonly EntitySchema[];
  /** Oldest first. */
  readonly migrations: readonly (new () => MigrationInterface)[];
}

/**
 * For the host's DataSource: `entities: [...schema.entities, …], migrations: [...schema.migrations, …]`. Give AuthModule the
 * same `schema`, if you give one.
 * @throws Error if `schema` is no name for a schema
 */
export function authSchema({ schema = DEFAULT_SCHEMA }: { readonly schema?: string } = {}): AuthSchema {
  const given = names(schema);
  return {
    entities: [sessionEntity, securityPolicyEntity, userTokenVersionEntity, authEventEntity].map(
      (entity) => entity(given) as EntitySchema,
    ),
    migrations: [baseline(given)],
  };
}
