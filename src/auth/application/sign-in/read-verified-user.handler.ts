import { type IQueryHandler, QueryHandler } from '@nestjs/cqrs';
import { isOver, isVerifiedUser, VerifiedUserSeal } from '../../domain/verified-user';
import { SecurityPolicyRepository } from '../../ports/security-policy.repository';
import { type ReadVerifiedUser, ReadVerifiedUserQuery } from './read-verified-user.query';

@QueryHandler(ReadVerifiedUserQuery)
export class ReadVerifiedUserHandler implements IQueryHandler<ReadVerifiedUserQuery> {
  constructor(
    private readonly seal: VerifiedUserSeal,
    private readonly policies: SecurityPolicyRepository,
  ) {}

  async execute({ verified }: ReadVerifiedUserQuery): Promise<ReadVerifiedUser | null> {
    // From a request it may be anything.
    if (typeof verified !== 'string' || !isVerifiedUser(verified)) return null;
    const proof = this.seal.open(verified);
    if (proof === null) return null;
    const { userId, method, authTime } = proof;
    const { now } = await this.policies.floorsOf(userId);
    return isOver(proof, now) ? null : { verified, userId, method, authTime };
  }
}
