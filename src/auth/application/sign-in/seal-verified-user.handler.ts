import { type IQueryHandler, QueryHandler } from '@nestjs/cqrs';
import { v7 as uuidv7 } from 'uuid';
import { stampsOf } from '../../../guard/versions';
import { demand, methodProblem, userIdProblem } from '../../domain/input-rules';
import { type VerifiedUser, VerifiedUserSeal } from '../../domain/verified-user';
import { SecurityPolicyRepository } from '../../ports/security-policy.repository';
import { HostUsers } from '../host-users';
import { SealVerifiedUserQuery } from './seal-verified-user.query';

@QueryHandler(SealVerifiedUserQuery)
export class SealVerifiedUserHandler implements IQueryHandler<SealVerifiedUserQuery> {
  constructor(
    private readonly users: HostUsers,
    private readonly policies: SecurityPolicyRepository,
    private readonly seal: VerifiedUserSeal,
  ) {}

  async execute({ userId: given, method }: SealVerifiedUserQuery): Promise<VerifiedUser> {
    demand({ userId: userIdProblem(given), method: methodProblem(method) });
    const userId = await this.users.spellingOf(given);
    const { floors, now } = await this.policies.floorsOf(userId);
    return this.seal.seal({ userId, method, stamps: stampsOf(floors), authTime: now, sessionId: uuidv7() });
  }
}
