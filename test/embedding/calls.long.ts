import { rm } from 'node:fs/promises';
import { freePort } from '../support/free-port';
import { peers, write } from './support/bare-host';
import { callsHost } from './support/calls';
import { hostFolder, INSTALLATION_MS, packed, run } from './support/host';

const AUTH = [
  '@nestjs/common',
  '@nestjs/core',
  '@nestjs/cqrs',
  '@nestjs/jwt',
  '@nestjs/event-emitter',
  '@nestjs/platform-fastify',
  'typeorm',
  'pg',
  'class-validator',
  'class-transformer',
  'bcrypt',
  'reflect-metadata',
  'rxjs',
];

/** What these hosts have beside auth's peers, by the major of Nest. */
const CALLS = {
  11: ['@nestjs/graphql@13', '@nestjs/apollo@13', '@nestjs/mercurius@13'],
  12: ['@nestjs/graphql@14', '@nestjs/apollo@14', '@nestjs/mercurius@14'],
};
const OF_ALL = ['graphql@16', '@apollo/server@5', '@as-integrations/fastify@3', 'mercurius@16', 'socket.io-client@4'];
const NUMBERED_LIKE_NEST = ['@nestjs/microservices', '@nestjs/websockets', '@nestjs/platform-socket.io'];

const UNAUTHENTICATED = { message: 'Unauthorized', extensions: { code: 'UNAUTHENTICATED' } };
const REFUSED = { refused: { status: 'error', message: 'Unauthorized' } };

describe.each([
  { nest: 11, typeorm: '0.3' },
  { nest: 12, typeorm: '1' },
] as const)('a host of Nest $nest that is called otherwise than by HTTP', ({ nest, typeorm }) => {
  let folder: string;
  let answers: Record<string, any>;

  beforeAll(async () => {
    folder = await hostFolder();
    await write(folder, [
      ['package.json', '{ "name": "host", "private": true }'],
      ['calls.cjs', callsHost()],
    ]);
    const names = [
      ...(await peers(AUTH, { nest, typeorm, versions: 'newest' })),
      ...NUMBERED_LIKE_NEST.map((name) => `${name}@${nest}`),
      ...CALLS[nest],
      ...OF_ALL,
    ];
    await run(`npm install ${await packed(folder)} ${names.join(' ')}`, folder);
    const port = String(await freePort());
    // In development, Apollo adds a stack to each error.
    const printed = await run(`NODE_ENV=production RPC_PORT=${port} ${process.execPath} calls.cjs`, folder);
    answers = JSON.parse(printed.trim().split('\n').at(-1)!);
  }, INSTALLATION_MS);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each(['apollo', 'mercurius'])('refuses a query on %s with the code and the title', (driver) => {
    expect(answers[driver]).toEqual({
      open: { currency: 'EUR' },
      without: UNAUTHENTICATED,
      withJunk: UNAUTHENTICATED,
      withToken: { whoAmI: 'ann' },
      withoutRole: { message: 'Forbidden', extensions: { code: 'FORBIDDEN' } },
      withRole: { count: 3 },
    });
  });

  it('refuses a message, which has no headers, whatever is in it', () => {
    expect(answers.inherited).toEqual({ open: 'EUR', global: REFUSED, ofNothing: REFUSED, guarded: REFUSED });
  });

  it('guards messages without the configuration of the application only where the guard is named', () => {
    const { guarded, ...others } = answers.ownGuard;
    expect(others).toEqual({ open: 'EUR', global: 'somebody', ofNothing: 'somebody' });
    expect(guarded).toEqual({ refused: expect.objectContaining({ status: 'error' }) });
  });

  it('guards a gateway where the guard is named, and by the global guard on Nest 12 alone', () => {
    const { bare, guarded, withToken, nextMessage } = answers.sockets;
    expect(bare).toEqual(nest === 11 ? ['answer', 'nobody was asked'] : ['exception', expect.anything()]);
    expect(guarded).toEqual(['exception', expect.objectContaining({ status: 'error' })]);
    expect(withToken).toEqual(['answer', 'ann']);
    expect(nextMessage).toEqual(['exception', expect.objectContaining({ status: 'error' })]);
  });

  it('connects sockets with a token, and disconnects those of an ended session', () => {
    const refused = { message: 'Unauthorized', data: expect.objectContaining({ status: 401, code: 'unauthorized' }) };
    expect(answers.sockets).toMatchObject({
      connected: 'ann',
      withoutToken: refused,
      afterTheEnd: ['disconnect', 'io server disconnect'],
      again: refused,
      bystander: true,
    });
  });

  it('logs no fault on the way', () => {
    expect(answers.logged.filter((line: string) => /TypeError|ReferenceError/.test(line))).toEqual([]);
  });
});
