import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { Account } from './account.entity.js';

@Injectable()
export class Accounts {
  constructor(@InjectRepository(Account) private readonly accounts: Repository<Account>) {}

  async open(ownerId: string, name: string): Promise<Account> {
    const account = { id: randomUUID(), ownerId, name, balanceCents: '0' };
    await this.accounts.insert(account);
    return account;
  }

  async of(ownerId: string): Promise<Account[]> {
    return this.accounts.findBy({ ownerId });
  }

  async count(): Promise<number> {
    return this.accounts.count();
  }
}
