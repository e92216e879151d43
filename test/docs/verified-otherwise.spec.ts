import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import type { INestApplication } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { decodeJwt } from 'jose';
import * as ratchet from '../../src';
import { AuthTestingModule, InMemoryUserDirectory, issueTestToken } from '../../src/testing';
import { newUser } from '../ports/adapters';
import { ADAPTERS } from '../support/adapters';
import { documented, type Exports } from './documented';

const PASSWORD = 'a long enough passphrase';
const ORIGIN = 'https://app.example';

describe.each(ADAPTERS)('The sign-in of docs/embedding.md on %s', (adapter) => {
  let app: INestApplication;
  let url: string;
  let totp: Exports;
  const user = newUser();
  const secret = randomBytes(20);
  const secrets = new Map([[user.id, secret]]);
  const mails = new EventEmitter();
  let lastStep = 0;

  beforeAll(async () => {
    const load = await documented();
    totp = load('src/sign-in/totp.ts');
    app = await start(load);
    url = await app.getUrl();
    const passwordHash = await app.get(ratchet.PasswordHasher).hash(PASSWORD);
    await app.get(InMemoryUserDirectory).add({ ...user, passwordHash });
  });
  afterAll(() => app.close());

  async function start(load: (name: string) => Exports): Promise<INestApplication> {
    const { Factors } = load('src/sign-in/factors.ts');
    const { Mailer } = load('src/passwords/mailer.ts');
    const factors = {
      secretOf: async (userId: string) => secrets.get(userId) ?? null,
      takeStep: async (_: string, step: number) => step > lastStep && (lastStep = step) > 0,
    };
    const mailer = { send: async (email: string, text: string) => void mails.emit(email, text) };
    const module = await Test.createTestingModule({
      imports: [AuthTestingModule.forRoot({ options: { publicOrigin: ORIGIN } })],
      controllers: [
        load('src/sign-in/sign-in.controller.ts').SignInController,
        load('src/sign-in/step-up.controller.ts').StepUpController,
        load('src/payments.controller.ts').PaymentsController,
      ],
      providers: [
        { provide: Factors, useValue: factors },
        { provide: Mailer, useValue: mailer },
      ],
    }).compile();
    const started = module.createNestApplication(adapter === 'fastify' ? new FastifyAdapter() : new ExpressAdapter(), {
      logger: false,
    });
    await started.listen(0, '127.0.0.1');
    return started;
  }

  const post = async (path: string, body: object, headers: Record<string, string> = { Origin: ORIGIN }) => {
    const answer = await fetch(url + path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    const cookie = answer.headers.get('set-cookie')?.split(';')[0] ?? null;
    return {
      status: answer.status,
      body: text.startsWith('{') ? JSON.parse(text) : text,
      cookie,
      headers: answer.headers,
    };
  };
  const code = () => totp.codeOf(secret, Math.floor(Date.now() / 30_000)) as string;
  const verified = async () =>
    (await post('/sign-in/password', { email: user.email, password: PASSWORD })).body.verified as string;

  /** The sealed user in the link that was mailed. */
  const mailed = async () => {
    const mail = once(mails, user.email);
    expect(await post('/sign-in/mail', { email: user.email.toUpperCase() })).toMatchObject({ status: 202, body: '' });
    const [text] = (await mail) as [string];
    return text.split('#')[1]!;
  };
  const logOutEverywhere = () =>
    app.get(CommandBus, { strict: false }).execute(new ratchet.LogOutEverywhereCommand(user.id));

  it('opens a session after the password and the code, once each, with the refresh token in the cookie', async () => {
    expect(await post('/sign-in/password', { email: user.email, password: 'wrong' })).toMatchObject({ status: 401 });
    const proof = await verified();
    expect(await post('/sign-in/code', { verified: proof, code: '000000' })).toMatchObject({ status: 401 });
    const right = code();
    const opened = await post('/sign-in/code', { verified: proof, code: right });
    expect(opened).toMatchObject({ status: 200, body: { generation: 0, tokenType: 'Bearer' } });
    expect(opened.body).not.toHaveProperty('refreshToken');
    expect(opened.cookie).toMatch(/^__Host-refresh=rt1_/);
    expect(opened.headers.get('cache-control')).toBe('no-store');
    const refreshed = await post('/auth/refresh', {}, { Origin: ORIGIN, Cookie: opened.cookie! });
    expect(refreshed).toMatchObject({ status: 200, body: { generation: 1 } });
    // The code is used, the sealed user too.
    expect(await post('/sign-in/code', { verified: await verified(), code: right })).toMatchObject({ status: 401 });
    lastStep = 0;
    expect(await post('/sign-in/code', { verified: proof, code: right })).toMatchObject({ status: 401 });
    lastStep = 0;
    expect(await post('/sign-in/code', { verified: await verified(), code: right })).toMatchObject({ status: 200 });
  });

  it('opens nothing for an id in the place of a sealed user, nor for a page of another origin', async () => {
    for (const forged of [user.id, `vu1_${user.id}`, undefined, 7]) {
      expect(await post('/sign-in/code', { verified: forged, code: code() })).toMatchObject({ status: 401 });
      expect(await post('/sign-in/link', { verified: forged })).toMatchObject({ status: 401 });
    }
    const foreign = { Origin: 'https://other.example' };
    const link = await mailed();
    expect(await post('/sign-in/link', { verified: link }, foreign)).toMatchObject({ status: 403 });
    expect(await post('/sign-in/link', { verified: link })).toMatchObject({ status: 200 });
    expect(await post('/sign-in/link', { verified: link })).toMatchObject({ status: 401 });
  });

  // Seen red without the comparison of the method.
  it('takes no link for a password, and no password for a link', async () => {
    lastStep = 0;
    expect(await post('/sign-in/code', { verified: await mailed(), code: code() })).toMatchObject({ status: 401 });
    expect(await post('/sign-in/link', { verified: await verified() })).toMatchObject({ status: 401 });
  });

  it('mails a link to a user alone, and answers alike for everyone', async () => {
    expect(await post('/sign-in/mail', { email: 'nobody@example.com' })).toMatchObject({ status: 202, body: '' });
    expect(await post('/sign-in/mail', { email: 7 })).toMatchObject({ status: 400 });
  });

  const SIGN_INS: [name: string, prove: () => Promise<() => ReturnType<typeof post>>, amr: string[], acr: string][] = [
    [
      'a password and a code',
      async () => {
        const proof = await verified();
        return () => {
          lastStep = 0;
          return post('/sign-in/code', { verified: proof, code: code() });
        };
      },
      ['pwd', 'otp'],
      'aal2',
    ],
    [
      'a link',
      async () => {
        const link = await mailed();
        return () => post('/sign-in/link', { verified: link });
      },
      ['otp'],
      'aal1',
    ],
  ];

  it.each(SIGN_INS)('says of %s when and how it was proved, also after a refresh', async (_, prove, amr, acr) => {
    const opened = await (await prove())();
    expect(opened).toMatchObject({ status: 200 });
    const refreshed = await post('/auth/refresh', {}, { Origin: ORIGIN, Cookie: opened.cookie! });
    const [first, second] = [opened, refreshed].map(({ body }) => decodeJwt(body.accessToken));
    expect(first).toMatchObject({ sub: user.id, amr, acr, channel: 'web' });
    expect(first!.auth_time).toBeLessThanOrEqual(first!.iat!);
    expect(second).toMatchObject({ amr, acr, channel: 'web', auth_time: first!.auth_time });
  });

  it.each(SIGN_INS)('opens a dead session if the user logs out everywhere after %s', async (_, prove) => {
    const open = await prove();
    await logOutEverywhere();
    const opened = await open();
    expect(opened).toMatchObject({ status: 200 });
    const refreshed = await post('/auth/refresh', {}, { Origin: ORIGIN, Cookie: opened.cookie! });
    expect(refreshed).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
  });

  it('lets a user pay who has just proved it with two factors', async () => {
    const pay = async (token: Parameters<typeof issueTestToken>[1]) =>
      post('/payments', {}, { Authorization: `Bearer ${await issueTestToken(app, token)}` });
    expect(await pay({ acr: 'aal2' })).toMatchObject({ status: 201 });
    for (const token of [{ acr: 'aal1' }, { acr: 'aal2', authAgeSeconds: 601 }]) {
      const answer = await pay(token);
      expect(answer).toMatchObject({ status: 401 });
      expect(answer.headers.get('www-authenticate')).toBe(
        'Bearer error="insufficient_user_authentication", max_age="600", acr_values="aal2"',
      );
    }
  });

  it('lets a user pay whose session the code has stepped up, and repeats a lost answer as a refresh', async () => {
    const { status, body, cookie } = await post('/auth/login', {
      email: user.email,
      password: PASSWORD,
      delivery: 'cookie',
    });
    expect(status).toBe(200);
    const pay = async (accessToken: string) =>
      (await post('/payments', {}, { Authorization: `Bearer ${accessToken}` })).status;
    expect(await pay(body.accessToken)).toBe(401);
    const headers = {
      Origin: ORIGIN,
      Authorization: `Bearer ${body.accessToken}`,
      Cookie: cookie!,
      'Idempotency-Key': 'k'.repeat(22),
    };
    lastStep = 0;
    expect((await post('/step-up/code', { code: '000000' }, headers)).status).toBe(401);
    expect(
      (await post('/step-up/code', { code: code() }, { ...headers, Origin: 'https://other.example' })).status,
    ).toBe(403);
    const stepped = await post('/step-up/code', { code: code() }, headers);
    expect(stepped).toMatchObject({ status: 200, body: { sessionId: body.sessionId, generation: 1 } });
    expect(await pay(stepped.body.accessToken)).toBe(201);
    const repeated = await post('/auth/refresh', {}, headers);
    expect(repeated.cookie).toBe(stepped.cookie);
    expect(await pay(repeated.body.accessToken)).toBe(201);
    // Somebody else's bearer token and code, with this session's cookie.
    const other = newUser();
    await app.get(InMemoryUserDirectory).add({ ...other, passwordHash: 'none' });
    const bearer = await issueTestToken(app, { userId: other.id });
    secrets.set(other.id, secret);
    lastStep = 0;
    const mixed = { ...headers, Authorization: `Bearer ${bearer}`, Cookie: stepped.cookie! };
    expect((await post('/step-up/code', { code: code() }, mixed)).status).toBe(401);
    expect((await post('/auth/refresh', {}, { Origin: ORIGIN, Cookie: stepped.cookie! })).body.generation).toBe(2);
  });

  it('has the codes of RFC 6238', () => {
    const key = Buffer.from('12345678901234567890');
    expect([59, 1111111109, 20000000000].map((at) => totp.codeOf(key, Math.floor(at / 30)))).toEqual([
      '287082',
      '081804',
      '353130',
    ]);
  });
});
