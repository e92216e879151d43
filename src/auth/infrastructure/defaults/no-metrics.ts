import { Injectable } from '@nestjs/common';
import { AuthMetrics } from '../../ports/auth-metrics';

/** Counts nothing: the default for hosts without metrics. */
@Injectable()
export class NoMetrics extends AuthMetrics {
  refresh(): void {}
  reauthentication(): void {}
  deviceRegistration(): void {}
  login(): void {}
  auditQueue(): void {}
  auditBatch(): void {}
  rotationBatch(): void {}
  hashQueue(): void {}
  securityCache(): void {}
  viewRefreshed(): void {}
  revocationSeen(): void {}
  limiterFellBack(): void {}
  feedPolls(): void {}
  feedAnswered(): void {}
  limited(): void {}
  cleanedUp(): void {}
  sessionsMarked(): void {}
  listenerFailed(): void {}
}
