import type { INestApplication } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { testDatabase } from '../support/database/test-database';
import { usersApp } from './users-app';

const PASSWORD = 'four sensible words here';

let url: string;
let app: INestApplication;
beforeAll(async () => {
  url = (await testDatabase()).url;
  app = await usersApp(url);
});
afterAll(() => app.close());

const register = (payload: object, to = app) =>
  (to as NestFastifyApplication).inject({ method: 'POST', url: '/auth/register', payload });

describe('POST /auth/register', () => {
  it('answers the account without its password', async () => {
    const answer = await register({ email: 'Sam@Example.com', password: PASSWORD, displayName: 'Sam 🗝' });
    expect(answer.statusCode).toBe(201);
    const body = answer.json();
    expect(body).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      email: 'sam@example.com',
      roles: ['user'],
      createdAt: expect.any(String),
    });
    expect(new Date(body.createdAt).toISOString()).toBe(body.createdAt);
  });

  it('answers 409 for a known e-mail', async () => {
    await register({ email: 'known@example.com', password: PASSWORD });
    const answer = await register({ email: 'KNOWN@example.com', password: PASSWORD });
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(answer.json()).toEqual({ type: 'about:blank', title: 'Conflict', status: 409, code: 'email_taken' });
  });

  const GOOD = { email: 'new@example.com', password: PASSWORD };

  it.each([
    ['email', { ...GOOD, email: 'no address' }],
    ['email', { ...GOOD, email: 'new\u0000@example.com' }],
    ['email', { ...GOOD, email: 'new@example.com\n' }],
    ['email', { ...GOOD, email: 'new\u202E@example.com' }],
    ['email', { ...GOOD, email: ['new@example.com'] }],
    ['email', { password: PASSWORD }],
    ['password', { ...GOOD, password: 'password' }],
    ['password', { ...GOOD, password: '7 chars' }],
    ['password', { ...GOOD, password: 'x'.repeat(65) }],
    ['password', { ...GOOD, password: 'é'.repeat(37) }],
    ['password', { ...GOOD, password: 'four sensible\u0000words' }],
    ['password', { ...GOOD, password: 12345678 }],
    ['displayName', { ...GOOD, displayName: 'x'.repeat(101) }],
    ['displayName', { ...GOOD, displayName: 'Sam\u0007' }],
    ['displayName', { ...GOOD, displayName: null }],
    ['roles', { ...GOOD, roles: ['admin'] }],
  ])('answers 400 and names %s for %j', async (path, payload) => {
    const answer = await register(payload);
    expect(answer.statusCode).toBe(400);
    const body = answer.json();
    expect(body).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(body.errors).not.toEqual([]);
    for (const error of body.errors) expect(error).toEqual({ path, message: expect.stringContaining(path) });
  });

  it('does not exist where registration is switched off', async () => {
    const closed = await usersApp(url, { registrationEnabled: false });
    const answer = await register(GOOD, closed);
    await closed.close();
    expect(answer.statusCode).toBe(404);
  });
});
