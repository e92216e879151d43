import { type IQueryHandler, QueryHandler } from '@nestjs/cqrs';
import { demand, retryKeyProblem } from '../../domain/input-rules';
import type { RefreshRefusal } from '../../domain/refusals';
import { ok, refusal, type Result } from '../../domain/result';
import { RefreshJudge } from './refresh-judge';
import { refusalOf } from './refresh-record';
import { type ValidRefreshToken, ValidateRefreshTokenQuery } from './validate-refresh-token.query';

@QueryHandler(ValidateRefreshTokenQuery)
export class ValidateRefreshTokenHandler implements IQueryHandler<ValidateRefreshTokenQuery> {
  constructor(private readonly judge: RefreshJudge) {}

  async execute({
    refreshToken,
    retryKey,
    delivery,
  }: ValidateRefreshTokenQuery): Promise<Result<ValidRefreshToken, RefreshRefusal>> {
    demand({ retryKey: retryKeyProblem(retryKey) });
    const judgement = await this.judge.judge(refreshToken, retryKey, delivery);
    this.judge.demandSettled(judgement);
    if (!judgement.granted) return refusal(refusalOf(judgement.decision));
    const { token, facts } = judgement;
    const { userId, id: sessionId, expiresAt } = facts.session;
    // An adopted token is ahead of its row, and a replayed one behind.
    const generation = Math.max(token.generation, facts.session.generation);
    return ok({ userId, sessionId, generation, expiresAt });
  }
}
