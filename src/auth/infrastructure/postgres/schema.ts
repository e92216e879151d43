import type { EntitySchema, MigrationInterface } from 'typeorm';
import { POSTGRES_DEFAULTS } from '../../options/postgres.settings';
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
 * For the host's DataSource: `entities: [...schema.entities, …], migrations: [...schema.migrations, …]`. Give
 * `postgresStorage()` the same `schema`, if you give one.
 * @throws Error if `schema` is no name for a schema
 */
export function authSchema({ schema = POSTGRES_DEFAULTS.schema }: { readonly schema?: string } = {}): AuthSchema {
  const given = names(schema);
  return {
    entities: [sessionEntity, securityPolicyEntity, userTokenVersionEntity, authEventEntity].map(
      (entity) => entity(given) as EntitySchema,
    ),
    migrations: [baseline(given)],
  };
}
