import { type IQueryHandler, QueryHandler } from '@nestjs/cqrs';
import type { KeyProof } from '../../domain/binding';
import { demand, retryKeyProblem } from '../../domain/input-rules';
import type { RefreshRefusal } from '../../domain/refusals';
import { ok, refusal, type Result } from '../../domain/result';
import { RefreshJudge } from './refresh-judge';
import { refusalOf } from './refresh-record';
import { type ValidRefreshToken, ValidateRefreshTokenQuery } from './validate-refresh-token.query';

const PROVEN: KeyProof = { isBy: async () => true };

@QueryHandler(ValidateRefreshTokenQuery)
export class ValidateRefreshTokenHandler implements IQueryHandler<ValidateRefreshTokenQuery> {
  constructor(private readonly judge: RefreshJudge) {}

  async execute(query: ValidateRefreshTokenQuery): Promise<Result<ValidRefreshToken, RefreshRefusal>> {
    demand({ retryKey: retryKeyProblem(query.retryKey) });
    const judgement = await this.judge.judge(query, PROVEN);
    this.judge.demandSettled(judgement);
    if (!judgement.granted) return refusal(refusalOf(judgement.decision));
    const { token, facts } = judgement;
    const { userId, id: sessionId, expiresAt, binding } = facts.session;
    // An adopted token is ahead of its row, and a replayed one behind.
    const generation = Math.max(token.generation, facts.session.generation);
    return ok({ userId, sessionId, generation, expiresAt, binding });
  }
}
