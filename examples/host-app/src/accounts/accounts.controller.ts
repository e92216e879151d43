import { Body, Controller, Get, Post } from '@nestjs/common';
import { ApiBearerAuth } from '@nestjs/swagger';
import { IsString, Length } from 'class-validator';
import { CurrentPrincipal, type Principal, Public, Roles } from 'nest-ratchet';
import type { Account } from './account.entity.js';
import { Accounts } from './accounts.js';

class NewAccount {
  @IsString()
  @Length(1, 80)
  name!: string;
}

/** Closed by the global guard; the exceptions say so. */
@ApiBearerAuth()
@Controller('accounts')
export class AccountsController {
  constructor(private readonly accounts: Accounts) {}

  @Get()
  async mine(@CurrentPrincipal() { userId }: Principal): Promise<Account[]> {
    return this.accounts.of(userId);
  }

  @Post()
  async open(@CurrentPrincipal() { userId }: Principal, @Body() { name }: NewAccount): Promise<Account> {
    return this.accounts.open(userId, name);
  }

  /** The role as the person has it now, not as the token says. */
  @Roles('auditor')
  @Get('count')
  async count(): Promise<{ accounts: number }> {
    return { accounts: await this.accounts.count() };
  }

  @Public()
  @Get('currencies')
  currencies(): string[] {
    return ['EUR'];
  }
}
