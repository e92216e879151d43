import { randomUUID } from 'node:crypto';
import { BadRequestException, Body, ConflictException, Controller, Post } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { IsEmail, IsString } from 'class-validator';
import { loginSpelling, PasswordHasher, passwordProblem, Public } from 'nest-ratchet';
import { Repository } from 'typeorm';
import { Person } from './person.entity.js';

class NewPerson {
  @IsEmail()
  email!: string;

  @IsString()
  password!: string;
}

@Controller('people')
export class PeopleController {
  constructor(
    @InjectRepository(Person) private readonly people: Repository<Person>,
    private readonly hasher: PasswordHasher,
  ) {}

  @Public()
  @Post()
  async join(@Body() { email, password }: NewPerson): Promise<{ id: string }> {
    const problem = passwordProblem(password);
    if (problem !== null) throw new BadRequestException(`password ${problem}`);
    const id = randomUUID();
    const { raw } = await this.people
      .createQueryBuilder()
      .insert()
      .values({
        id,
        email: loginSpelling(email),
        passwordHash: await this.hasher.hash(password),
        roles: ['user'],
        isActive: true,
      })
      .orIgnore()
      .returning('id')
      .execute();
    if ((raw as unknown[]).length === 0) throw new ConflictException('This e-mail is taken');
    return { id };
  }
}
