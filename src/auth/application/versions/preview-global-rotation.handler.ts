import { type IQueryHandler, QueryHandler } from '@nestjs/cqrs';
import { SecurityPolicyRepository } from '../../ports/security-policy.repository';
import { SessionRepository } from '../../ports/session.repository';
import { type GlobalRotationPreview, PreviewGlobalRotationQuery } from './preview-global-rotation.query';

@QueryHandler(PreviewGlobalRotationQuery)
export class PreviewGlobalRotationHandler implements IQueryHandler<PreviewGlobalRotationQuery> {
  constructor(
    private readonly policies: SecurityPolicyRepository,
    private readonly sessions: SessionRepository,
  ) {}

  async execute(): Promise<GlobalRotationPreview> {
    const { policy } = await this.policies.read();
    const previousVersion = policy.globalMinTokenVersion;
    const newVersion = previousVersion + 1;
    const { gracePeriodSeconds } = policy;
    const sessionsAffected = await this.sessions.countBelowGlobal(newVersion);
    const sessionsBehind = await this.sessions.countBelowGlobal(previousVersion);
    return { previousVersion, newVersion, gracePeriodSeconds, sessionsAffected, sessionsBehind };
  }
}
