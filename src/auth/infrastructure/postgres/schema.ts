import { AuthEventEntity } from './auth-event.entity';
import { SessionsAndEvents1763683200000 } from './migrations/1763683200000-sessions-and-events';
import { Revocations1763769600000 } from './migrations/1763769600000-revocations';
import { CleanUp1763856000000 } from './migrations/1763856000000-clean-up';
import { LighterRotations1763942400000 } from './migrations/1763942400000-lighter-rotations';
import { SecurityPolicyEntity } from './security-policy.entity';
import { SessionEntity } from './session.entity';
import { UserTokenVersionEntity } from './user-token-version.entity';

/** For the host's DataSource: `entities: [...authEntities, …]`. */
export const authEntities = [SessionEntity, SecurityPolicyEntity, UserTokenVersionEntity, AuthEventEntity];

/** For the host's DataSource: `migrations: [...authMigrations, …]`. Oldest first. */
export const authMigrations = [
  SessionsAndEvents1763683200000,
  Revocations1763769600000,
  CleanUp1763856000000,
  LighterRotations1763942400000,
];
