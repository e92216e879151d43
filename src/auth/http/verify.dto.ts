import { ByRule, IfPresent } from './kit/validation.pipe';

const MAX_ROLE = 64;

const roleProblem = (role: unknown): string | null =>
  typeof role === 'string' && role.length >= 1 && role.length <= MAX_ROLE
    ? null
    : `must be a string of 1 to ${MAX_ROLE} characters`;

export class VerifyDto {
  @IfPresent()
  @ByRule(roleProblem)
  role?: string;
}
