import { Logger } from '@nestjs/common';
import { QueryFailedError } from 'typeorm';
import { createLogger, loggedRequests, NestLogger } from '../../src/logging';

const REFRESH_TOKEN = `rt1_${'Ab-_'.repeat(23)}`;
const ACCESS_TOKEN = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1In0.c2lnbmF0dXJl';

function capture(level: Parameters<typeof createLogger>[0] = 'info') {
  const lines: string[] = [];
  const logger = createLogger(level, { write: (line) => void lines.push(line) });
  return { logger, lines, last: () => JSON.parse(lines.at(-1) ?? 'null') };
}

describe('the log', () => {
  it.each(['authorization', 'cookie', 'Set-Cookie', 'password', 'currentPassword', 'refreshToken', 'Idempotency-Key'])(
    'shows no value of %s, however deep it lies',
    (name) => {
      const { logger, lines, last } = capture();
      logger.info({
        [name]: 'shown "never"',
        a: { b: [{ [name]: ['shown', 'also [shown]'] }], [name]: 815 },
        kept: 'kept',
      });
      expect(lines.join()).not.toMatch(/shown|815/);
      expect(last()).toMatchObject({ kept: 'kept', [name]: '[redacted]', a: { b: [{ [name]: '[redacted]' }] } });
    },
  );

  it('shows no token inside a text', () => {
    const { logger, lines } = capture();
    logger.error({ err: new Error(`got ${REFRESH_TOKEN}`) }, `bearer ${ACCESS_TOKEN}`);
    expect(lines.join()).not.toContain(REFRESH_TOKEN.slice(0, 24));
    expect(lines.join()).not.toContain('eyJ');
  });

  it('shows no parameter of a failed query', () => {
    const { logger, last } = capture();
    const driverError = Object.assign(new Error('duplicate key'), {
      code: '23505',
      detail: 'Key (email)=(a@b.example)',
    });
    logger.error({ err: new QueryFailedError('INSERT', ['hash-of-a-password'], driverError) }, 'failed');
    expect(JSON.stringify(last())).not.toMatch(/hash-of-a-password|a@b\.example/);
    expect(last()).toMatchObject({
      level: 'error',
      err: { name: 'QueryFailedError', message: 'duplicate key', code: '23505' },
    });
  });

  it('carries the id of the request that a line belongs to', () => {
    const { logger, last } = capture();
    loggedRequests.run({ id: 'request-1', event: null }, () => logger.info('within'));
    expect(last().requestId).toBe('request-1');
    logger.info('without');
    expect(last()).not.toHaveProperty('requestId');
  });

  it('takes what Nest logs, with its context, and keeps its report of the start for debugging', () => {
    const { logger, lines, last } = capture();
    Logger.overrideLogger(new NestLogger(logger));
    try {
      new Logger('Somewhere').warn('careful');
      expect(last()).toMatchObject({ level: 'warn', context: 'Somewhere', msg: 'careful' });
      new Logger('Somewhere').error('broken', 'Error: broken\n    at here');
      expect(last()).toMatchObject({
        level: 'error',
        context: 'Somewhere',
        msg: 'broken',
        stack: 'Error: broken\n    at here',
      });
      new Logger('Somewhere').error(new Error('thrown'));
      expect(last()).toMatchObject({ level: 'error', context: 'Somewhere', msg: 'thrown', err: { name: 'Error' } });
      expect(lines).toHaveLength(3);
      new Logger('RouterExplorer').log('Mapped {/, GET} route');
      expect(lines).toHaveLength(3);
    } finally {
      Logger.overrideLogger(false);
    }
  });
});
