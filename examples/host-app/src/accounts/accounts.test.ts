import 'reflect-metadata';
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { AuthTestingModule, issueTestToken } from 'nest-ratchet/testing';
import { AccountsController } from './accounts.controller.js';
import { Accounts } from './accounts.js';

let app: INestApplication;
let url: string;

before(async () => {
  const module = await Test.createTestingModule({
    imports: [AuthTestingModule.forRoot()],
    controllers: [AccountsController],
    providers: [{ provide: Accounts, useValue: { of: async () => [], count: async () => 3 } }],
  }).compile();
  app = module.createNestApplication();
  await app.listen(0, '127.0.0.1');
  url = `${await app.getUrl()}/accounts`;
});
after(() => app.close());

const statusOf = async (path: string, token?: string): Promise<number> =>
  (await fetch(url + path, { headers: token ? { Authorization: `Bearer ${token}` } : {} })).status;

test('accounts require a token', async () => {
  assert.equal(await statusOf(''), 401);
  assert.equal(await statusOf('', await issueTestToken(app)), 200);
});

test('counting them is for auditors', async () => {
  assert.equal(await statusOf('/count', await issueTestToken(app)), 403);
  assert.equal(await statusOf('/count', await issueTestToken(app, { roles: ['auditor'] })), 200);
});

test('the currencies are for everyone', async () => {
  assert.equal(await statusOf('/currencies'), 200);
});
