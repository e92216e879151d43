import { randomUUID } from 'node:crypto';
import { BadRequestException, Body, ConflictException, Controller, Get, Post } from '@nestjs/common';
import { CurrentPrincipal, loginSpelling, PasswordHasher, passwordProblem, type Principal, Public } from 'nest-ratchet';
import { People } from './people.js';

@Controller('people')
export class PeopleController {
  constructor(
    private readonly people: People,
    private readonly hasher: PasswordHasher,
  ) {}

  @Public()
  @Post()
  async join(@Body() { email, password }: { email: string; password: string }): Promise<{ id: string }> {
    if (typeof email !== 'string' || !email.includes('@'))
      throw new BadRequestException('email must be an e-mail address');
    const problem = passwordProblem(password);
    if (problem !== null) throw new BadRequestException(`password ${problem}`);
    const id = randomUUID();
    const passwordHash = await this.hasher.hash(password);
    const person = { id, email: loginSpelling(email), passwordHash, roles: ['user'] };
    if (!(await this.people.add(person))) throw new ConflictException('This e-mail is taken');
    return { id };
  }

  /** Closed by the global guard. */
  @Get('me')
  me(@CurrentPrincipal() { userId }: Principal): { id: string } {
    return { id: userId };
  }
}
