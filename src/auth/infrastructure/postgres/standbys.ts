import type { DataSource } from 'typeorm';

/** How many standbys follow the server, by whether a commit waits for them. */
export interface Standbys {
  readonly synchronous: number;
  readonly asynchronous: number;
}

/**
 * The standbys of the server; null where the role may not see how they follow it (`pg_monitor` may). A subscriber of a
 * publication and a base backup are no standbys.
 * @internal
 */
export async function standbysOf(dataSource: DataSource): Promise<Standbys | null> {
  const followers = await dataSource.query<{ sync_state: string | null }[]>(`
    SELECT CASE WHEN sync_state IS NULL THEN NULL WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN 'async' ELSE sync_state END AS sync_state
      FROM pg_stat_replication
     WHERE state IS DISTINCT FROM 'backup'
       AND NOT EXISTS (SELECT FROM pg_replication_slots slot WHERE slot.active_pid = pid AND slot.slot_type = 'logical')`);
  if (followers.some(({ sync_state }) => sync_state === null)) return null;
  const synchronous = followers.filter(({ sync_state }) => /^(sync|quorum)$/.test(sync_state ?? '')).length;
  return { synchronous, asynchronous: followers.length - synchronous };
}
