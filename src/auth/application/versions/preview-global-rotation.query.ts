import { Query } from '@nestjs/cqrs';

export interface GlobalRotationPreview {
  readonly previousVersion: number;
  readonly newVersion: number;
  /** The policy's default, which applies to a rotation with a grace period that names none. */
  readonly gracePeriodSeconds: number;
  /** Sessions that could be refreshed and were issued below the new version. */
  readonly sessionsAffected: number;
}

/** Shows what a global rotation would affect if it were triggered now. Changes nothing. */
export class PreviewGlobalRotationQuery extends Query<GlobalRotationPreview> {}
