import { Reflector } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host';
import { lastValueFrom } from 'rxjs';
import {
  AccessTokenAuthenticator,
  AccessTokenGuard,
  InvalidInput,
  Overloaded,
  ProblemDetailsFilter,
  ProblemException,
  RevocationView,
  Throttled,
} from '../../../src';
import { NoMetrics } from '../../../src/auth/infrastructure/defaults/no-metrics';
import { InMemoryRevocationFeed, InMemoryStore, MovableClock } from '../../../src/testing';
import { FakeSigner, NOW, USER_ID } from './fakes';

const quiet = { warn: () => undefined, log: () => undefined };

/** Calls that are no HTTP: nothing of them may be taken for a request. */
const signer = new FakeSigner();
const limits = { accessTokenTtlSeconds: 900, maxStalenessSeconds: 60 };
const feed = new InMemoryRevocationFeed(new InMemoryStore(new MovableClock(NOW)));
const view = new RevocationView(feed, limits, quiet, new NoMetrics());
const authenticator = new AccessTokenAuthenticator(signer, view, { accessTokenTtlSeconds: 900 });
const guard = new AccessTokenGuard(new Reflector(), authenticator, {
  httpAdapter: undefined,
} as never);

beforeAll(async () => {
  signer.issue('good');
  await view.start();
});
afterAll(() => view.stop());

const asked = async (type: string, ...args: unknown[]): Promise<unknown> => {
  const context = new ExecutionContextHost(args, Object, () => undefined);
  context.setType(type);
  return guard.canActivate(context).catch((error: unknown) => error);
};

describe('the access-token guard, asked for', () => {
  // Seen red: a TypeError for each, which a host logs as a fault and answers as one.
  it.each<[string, string, unknown[]]>([
    ['a message', 'rpc', ['text', {}]],
    ['a message without data', 'rpc', [undefined, undefined]],
    ['a call of a kind that nobody knows', 'telegram', [null]],
    ['a socket without a handshake', 'ws', [{}, 'data']],
    ['a query without a context', 'graphql', [{}, {}, undefined, {}]],
    ['a query whose context has no request', 'graphql', [{}, {}, {}, {}]],
  ])('%s, refuses it as a problem', async (_, type, args) => {
    const refusal = await asked(type, ...args);
    expect(refusal).toBeInstanceOf(ProblemException);
    expect((refusal as ProblemException).getStatus()).toBe(401);
  });

  it.each<[string, string, unknown[], number]>([
    ['a query', 'graphql', [{}, {}, { req: { headers: { authorization: 'Bearer good' } } }, {}], 2],
    ['a socket, by its header', 'ws', [{ handshake: { headers: { authorization: 'Bearer good' } } }], 0],
    ['a socket, by what Socket.IO calls auth', 'ws', [{ handshake: { headers: {}, auth: { token: 'good' } } }], 0],
    [
      'a socket behind HTTP Basic',
      'ws',
      [{ handshake: { headers: { authorization: 'Basic YTpi' }, auth: { token: 'good' } } }],
      0,
    ],
  ])('%s with a token, lets it pass and keeps the principal', async (_, type, args, carrier) => {
    expect(await asked(type, ...args)).toBe(true);
    expect(args[carrier]).toMatchObject({ user: { userId: USER_ID } });
  });

  it('a socket whose auth is no text, refuses it', async () => {
    expect(
      await asked('ws', { handshake: { headers: {}, auth: { token: { toString: () => 'good' } } } }),
    ).toBeInstanceOf(ProblemException);
  });
});

describe('the filter of refusals, asked for', () => {
  const filter = new ProblemDetailsFilter({ httpAdapter: undefined } as never);
  const host = (type: string) => {
    const context = new ExecutionContextHost([{}, {}], Object, () => undefined);
    context.setType(type);
    return context;
  };

  // Seen red: thrown on, a message had no answer at all.
  it('a message, answers its caller', async () => {
    const answered = filter.catch(new ProblemException(401), host('rpc'));
    await expect(lastValueFrom(answered!)).rejects.toEqual({ status: 'error', message: 'Unauthorized' });
  });

  // Seen red: an error without a code is INTERNAL_SERVER_ERROR.
  it.each([
    [new Throttled('a limit', 7), 'TOO_MANY_REQUESTS'],
    [new Overloaded('a dependency'), 'SERVICE_UNAVAILABLE'],
    [new InvalidInput('reason', 'must not be empty'), 'BAD_USER_INPUT'],
  ])('a query that ended in %s, throws it on with its code', (error, code) => {
    expect(() => filter.catch(error, host('graphql'))).toThrow(expect.objectContaining({ extensions: { code } }));
  });

  it('a query that ended in a fault, throws it on as it is', () => {
    const fault = new TypeError('a fault');
    expect(() => filter.catch(fault, host('graphql'))).toThrow(fault);
  });
});

// Seen red with one exception for all: a filter that adds the path of one request adds it to the answers of all others.
it('a refusal shares nothing with another', async () => {
  const one = await asked('rpc', {});
  const other = await asked('rpc', {});
  Object.assign((one as ProblemException).getResponse(), { path: '/secret' });
  expect((other as ProblemException).getResponse()).not.toHaveProperty('path');
});

it('a principal shares nothing with another of the same token', async () => {
  const read = async () => (await authenticator.authenticate('good'))!;
  const [one, other] = [await read(), await read()];
  (one.roles as string[]).push('admin');
  expect(other.roles).toEqual(['user']);
  expect((await read()).roles).toEqual(['user']);
});

/** What graphql-js makes of an error that a resolver threw: its `extensions` are the answer's. */
it.each([
  [401, 'UNAUTHENTICATED', 'Unauthorized'],
  [403, 'FORBIDDEN', 'Forbidden'],
  [400, 'BAD_USER_INPUT', 'Bad Request'],
  [503, 'SERVICE_UNAVAILABLE', 'Service Unavailable'],
])('a problem of %s is %s for GraphQL, with its title as the message', (status, code, title) => {
  const problem = new ProblemException(status);
  expect(problem.extensions).toEqual({ code });
  expect(problem.message).toBe(title);
});
