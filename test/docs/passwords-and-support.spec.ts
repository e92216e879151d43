import { EventEmitter, once } from 'node:events';
import type { INestApplication, Type } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { PasswordHasher } from '../../src';
import { AuthTestingModule, InMemoryUserDirectory } from '../../src/testing';
import { newUser } from '../ports/adapters';
import { ADAPTERS } from '../support/adapters';
import { documented } from './documented';

const PASSWORD = 'a long enough passphrase';
const NEXT = 'another long passphrase';

describe.each(ADAPTERS)('The routes of docs/embedding.md on %s', (adapter) => {
  let app: INestApplication;
  let url: string;
  const user = newUser();
  const agent = newUser({ roles: ['support'] });
  const mails = new EventEmitter();

  beforeAll(async () => {
    const load = await documented();
    const { PasswordsController } = load('src/passwords/passwords.controller.ts');
    const { SupportController } = load('src/support.controller.ts');
    const { Mailer } = load('src/passwords/mailer.ts');
    const send = async (to: string, text: string) => void mails.emit(to, text);
    const module = await Test.createTestingModule({
      imports: [AuthTestingModule.forRoot()],
      controllers: [PasswordsController as Type, SupportController as Type],
      providers: [{ provide: Mailer as Type, useValue: { send } }],
    }).compile();
    app = module.createNestApplication(adapter === 'fastify' ? new FastifyAdapter() : new ExpressAdapter(), {
      logger: false,
    });
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
    const passwordHash = await app.get(PasswordHasher).hash(PASSWORD);
    for (const one of [user, agent]) await app.get(InMemoryUserDirectory).add({ ...one, passwordHash });
  });
  afterAll(() => app.close());

  const request = async (method: string, path: string, body?: object, bearer?: string) => {
    const answer = await fetch(url + path, {
      method,
      headers: {
        'Content-Type': 'application/json',
        ...(bearer !== undefined && { Authorization: `Bearer ${bearer}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: text.startsWith('{') ? JSON.parse(text) : text };
  };
  const logIn = (email: string, password: string) => request('POST', '/auth/login', { email, password });

  it('reset a forgotten password by the link in a mail, once', async () => {
    const { body: before } = await logIn(user.email, PASSWORD);
    const mailed = once(mails, user.email) as Promise<[string]>;
    expect(await request('POST', '/passwords/forgotten', { email: user.email.toUpperCase() })).toEqual(
      await request('POST', '/passwords/forgotten', { email: 'nobody@example.com' }),
    );
    const [link] = await mailed;
    expect(new URL(link).href.split('#')[0]).toBe('https://app.example/reset');
    const ticket = new URL(link).hash.slice(1);

    const reset = (newPassword: string) => request('POST', '/passwords/reset', { ticket, newPassword });
    expect(await reset('password')).toMatchObject({
      status: 400,
      body: { message: expect.stringMatching(/^newPassword is one of the most common/) },
    });
    expect(await reset(NEXT)).toMatchObject({ status: 204 });
    expect(await reset(`${NEXT}, again`)).toMatchObject({ status: 401 });
    expect(await logIn(user.email, PASSWORD)).toMatchObject({ status: 401 });
    expect(await logIn(user.email, NEXT)).toMatchObject({ status: 200 });
    expect(await request('GET', '/auth/me', undefined, before.accessToken)).toMatchObject({ status: 401 });
    expect(await request('POST', '/passwords/reset', { newPassword: NEXT })).toMatchObject({ status: 401 });
  });

  it('let the support act for a user, and nobody else', async () => {
    const { body: theirs } = await logIn(agent.email, PASSWORD);
    const act = (bearer: string, id: string, reason?: string) =>
      request('POST', `/support/users/${id}/act`, { reason }, bearer);
    const { status, body } = await act(theirs.accessToken, user.id, 'Ticket 4711');
    expect(status).toBe(200);
    expect(await request('GET', '/auth/me', undefined, body.accessToken)).toMatchObject({
      status: 200,
      body: { id: user.id, sessionId: theirs.sessionId },
    });
    expect(await act(theirs.accessToken, user.id)).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'reason' }] },
    });
    expect(await act(theirs.accessToken, agent.id, 'Myself')).toMatchObject({ status: 403 });
    // Neither the user nor somebody who acts for one is the support.
    expect(await act(body.accessToken, user.id, 'Again')).toMatchObject({
      status: 403,
      body: { code: 'in_person_required' },
    });
    await request('POST', '/auth/logout', {}, theirs.accessToken);
    expect(await request('GET', '/auth/me', undefined, body.accessToken)).toMatchObject({ status: 401 });
  });
});
