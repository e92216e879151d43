import { Query } from '@nestjs/cqrs';

/** What a global rotation would change, if it were triggered now. */
export interface GlobalRotationPreview {
  readonly previousVersion: number;
  readonly newVersion: number;
  /** The policy's default in seconds, for a rotation with a grace period that names none. */
  readonly gracePeriodSeconds: number;
  /** Sessions that could be refreshed and were issued below the new version. */
  readonly sessionsAffected: number;
  /** Those of them that were issued below the current version: in a grace period, the ones that have not returned yet. */
  readonly sessionsBehind: number;
}

/** Shows what a global rotation would affect if it were triggered now. Changes nothing. */
export class PreviewGlobalRotationQuery extends Query<GlobalRotationPreview> {}
