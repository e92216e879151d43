import { Query } from '@nestjs/cqrs';

export interface GlobalRotationPreview {
  readonly previousVersion: number;
  readonly newVersion: number;
  /** What a rotation with a grace period gets when it names none. */
  readonly gracePeriodSeconds: number;
  /** Sessions that could be refreshed and were issued below the new version. */
  readonly sessionsAffected: number;
}

/** What a global rotation would meet if it were triggered now. Changes nothing. */
export class PreviewGlobalRotationQuery extends Query<GlobalRotationPreview> {}
