import { type Server, STATUS_CODES } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import {
  ConflictException,
  Controller,
  Get,
  MethodNotAllowedException,
  Param,
  ParseUUIDPipe,
  Post,
  Req,
  ServiceUnavailableException,
  UnauthorizedException,
} from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { QueryFailedError } from 'typeorm';
import { clientOf } from '../../../src/auth/http/kit/client-of';
import type { HttpRequest } from '../../../src/guard/nest/http-request';
import { ProblemException } from '../../../src/guard/nest/problem.exception';
import { Overloaded } from '../../../src/support/overloaded';
import { ADAPTERS } from '../../support/adapters';
import { RecordingLogger, startStub, type StubApp } from './stub-app';

const failures: Record<string, () => unknown> = {
  problem: () => new ProblemException(409, { code: 'email_taken' }),
  limited: () => new ProblemException(429, { retryAfterSeconds: 30 }),
  conflict: () => new ConflictException('the e-mail a@example.com exists'),
  unauthorized: () => new UnauthorizedException(),
  method: () => new MethodNotAllowedException(),
  meant: () => new ServiceUnavailableException({ details: 'database at 10.0.0.7 is down' }),
  overloaded: () => new Overloaded('the hash queue is full', 7, { cause: new Error('the inner reason') }),
  parser: () => Object.assign(new Error('request entity too large'), { status: 413, expose: true }),
  elsewhere: () => Object.assign(new Error('Request failed with status code 404'), { status: 404 }),
  fault: () => new TypeError('cannot read properties of undefined'),
  database: () =>
    new QueryFailedError('SELECT secret', ['a-token-digest'], Object.assign(new Error('db gone'), { code: '57P01' })),
  timeout: () => new Error('timeout exceeded when trying to connect'),
  text: () => 'thrown text',
  nothing: () => undefined,
};

@Controller()
class FailingController {
  @Get('fail/:how')
  fail(@Param('how') how: string): never {
    throw failures[how]!();
  }

  @Get('items/:id')
  item(@Param('id', ParseUUIDPipe) id: string): string {
    return id;
  }

  @Post('client')
  client(@Req() request: HttpRequest): object {
    return clientOf(request);
  }
}

describe.each(ADAPTERS)('problems on %s', (adapter) => {
  const logger = new RecordingLogger();
  let stub: StubApp;
  beforeAll(async () => {
    stub = await startStub(adapter, { controllers: [FailingController] }, { logger });
  });
  beforeEach(() => {
    logger.text = '';
  });
  afterAll(() => stub.app.close());

  it('a problem is its body and headers, and nothing more', async () => {
    const answer = await stub.send('/fail/problem');
    expect(answer.status).toBe(409);
    expect(answer.text).toBe('{"type":"about:blank","title":"Conflict","status":409,"code":"email_taken"}');
    expect(answer.headers).toMatchObject({
      'content-type': 'application/problem+json; charset=utf-8',
      'cache-control': 'no-store',
      pragma: 'no-cache',
    });
    expect(answer.headers).not.toHaveProperty('retry-after');
    expect(answer.headers).not.toHaveProperty('www-authenticate');
    expect(answer.headers).not.toHaveProperty('etag');
    expect(answer.headers).not.toHaveProperty('x-powered-by');
    expect(logger.text).toBe('');
  });

  it('a limit says when to come back', async () => {
    const answer = await stub.send('/fail/limited');
    expect(answer.body).toMatchObject({ status: 429, code: 'too_many_requests', recovery: 'wait' });
    expect(answer.headers['retry-after']).toBe('30');
  });

  it.each([
    ['/fail/conflict', 409, 'conflict'],
    ['/fail/method', 405, 'method_not_allowed'],
    ['/fail/parser', 413, 'payload_too_large'],
    ['/nowhere', 404, 'not_found'],
    ['/items/7', 400, 'bad_request'],
  ])("the framework's error at %s is a problem with its status, without its message", async (path, status, code) => {
    const answer = await stub.send(path);
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(answer.body).toEqual({ type: 'about:blank', title: expect.any(String), status, code });
  });

  it('another method than a route has is a problem', async () => {
    expect((await stub.post('/fail/problem', {})).body).toMatchObject({ status: 404, code: 'not_found' });
  });

  it('a URL that cannot be decoded is a problem', async () => {
    const answer = await stub.send('/items/%zz');
    expect(answer.body).toMatchObject({ status: 400, code: 'bad_request' });
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
  });

  it.each(['overloaded', 'elsewhere', 'fault', 'database', 'timeout', 'text', 'nothing'])(
    'the unexpected (%s) is 503 with Retry-After, its stack in the log and nothing of it in the answer',
    async (how) => {
      const answer = await stub.send(`/fail/${how}`);
      expect(answer.status).toBe(503);
      expect(answer.body).toEqual({
        type: 'about:blank',
        title: 'Service Unavailable',
        status: 503,
        code: 'unavailable',
        recovery: 'retry',
      });
      expect(answer.headers['retry-after']).toBe(how === 'overloaded' ? '7' : '1');
      expect(answer.headers['cache-control']).toBe('no-store');
      expect(logger.text).toContain('A request could not be answered');
    },
  );

  it('the log has the stack of the fault and of its cause', async () => {
    await stub.send('/fail/overloaded');
    expect(logger.text).toMatch(/the hash queue is full\n\s+at [^]*Caused by: Error: the inner reason\n\s+at /);
  });

  it('the parameters of a failed query stay out of the log', async () => {
    await stub.send('/fail/database');
    expect(logger.text).toContain('db gone');
    expect(logger.text).not.toContain('a-token-digest');
  });

  it('a 503 that is meant is no fault: nothing is logged', async () => {
    const answer = await stub.send('/fail/meant');
    expect(answer.body).toMatchObject({ status: 503, code: 'unavailable', recovery: 'retry' });
    expect(answer.text).not.toContain('10.0.0.7');
    expect(logger.text).toBe('');
  });

  it.each([
    [{}, 'Bearer'],
    [{ authorization: 'Basic YTpi' }, 'Bearer'],
    [{ authorization: 'Bearer' }, 'Bearer error="invalid_token"'],
    [{ authorization: 'bearer abc' }, 'Bearer error="invalid_token"'],
  ])('401 for %j challenges with %s', async (headers, challenge) => {
    const answer = await stub.send('/fail/unauthorized', { headers });
    expect(answer.body).toEqual({
      type: 'about:blank',
      title: 'Unauthorized',
      status: 401,
      code: 'unauthorized',
      recovery: 'reauthenticate',
    });
    expect(answer.headers['www-authenticate']).toBe(challenge);
  });
});

describe.each(ADAPTERS)('what is no HTTP request on %s', (adapter) => {
  let stub: StubApp;
  let server: Server;
  beforeAll(async () => {
    stub = await startStub(adapter, { controllers: [FailingController] });
    server = stub.app.getHttpServer() as Server;
  });
  afterAll(() => stub.app.close());

  /** Everything that comes back until the server closes the connection. */
  async function answerTo(bytes: string): Promise<string> {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.write(bytes);
    return text(socket);
  }
  const LATE = Object.assign(new Error('late'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });

  it.each([
    ['a line that is none', 'GET\r\n\r\n', 400, 'bad_request'],
    [
      'headers beyond what is read',
      `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
      'request_header_fields_too_large',
    ],
    ['a request that does not arrive', '', 408, 'request_timeout'],
  ])('is answered by a problem: %s', async (_what, bytes, status, code) => {
    // Node looks for these twice a minute: here it has just looked.
    if (status === 408) server.once('connection', (socket) => server.emit('clientError', LATE, socket));
    const [head = '', body = ''] = (await answerTo(bytes)).split('\r\n\r\n');
    const title = STATUS_CODES[status];
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} ${title}\r\n`));
    expect(head).toContain('\r\nContent-Type: application/problem+json\r\n');
    expect(head).toContain(`\r\nContent-Length: ${body.length}`);
    expect(head).toContain('\r\nConnection: close');
    expect(JSON.parse(body)).toEqual({ type: 'about:blank', title, status, code });
  });

  it('and a connection that is gone is not answered', async () => {
    const socket = new PassThrough();
    server.emit('clientError', Object.assign(new Error('gone'), { code: 'ECONNRESET' }), socket);
    expect([socket.destroyed, socket.readableLength]).toEqual([true, 0]);
  });
});

describe.each(ADAPTERS)('the server on %s', (adapter) => {
  const client = async (stub: StubApp, headers: Record<string, string>) =>
    (await stub.send('/client', { method: 'POST', headers })).body;

  it('without trusted proxies nobody chooses its ip', async () => {
    const stub = await startStub(adapter, { controllers: [FailingController] });
    const answer = await client(stub, { 'x-forwarded-for': '203.0.113.9', 'user-agent': 'a browser' });
    expect(answer).toEqual({ ip: '127.0.0.1', userAgent: 'a browser' });
    await stub.app.close();
  });

  it("behind a trusted proxy the ip is the last one that is not a proxy's", async () => {
    const trustProxy = ['127.0.0.0/8', '10.0.0.7'];
    const stub = await startStub(adapter, { controllers: [FailingController] }, { trustProxy });
    const forwarded = (ips: string) => client(stub, { 'x-forwarded-for': ips });
    expect(await forwarded('203.0.113.9')).toEqual({ ip: '203.0.113.9' });
    expect(await forwarded('203.0.113.9, 10.0.0.7')).toEqual({ ip: '203.0.113.9' });
    expect(await forwarded('203.0.113.9, 198.51.100.2')).toEqual({ ip: '198.51.100.2' });
    await stub.app.close();
  });

  it('a request has ten seconds to arrive', async () => {
    const stub = await startStub(adapter, { controllers: [FailingController] });
    expect((stub.app as NestExpressApplication).getHttpServer().requestTimeout).toBe(10_000);
    await stub.app.close();
  });

  it('only pages of the named origins may read answers', async () => {
    const corsOrigins = ['https://app.example'];
    const stub = await startStub(adapter, { controllers: [FailingController] }, { corsOrigins });
    const preflight = (origin: string) =>
      stub.send('/client', {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'content-type,idempotency-key',
        },
      });
    const allowed = await preflight('https://app.example');
    expect(allowed.status).toBe(204);
    expect(allowed.headers['access-control-allow-origin']).toBe('https://app.example');
    expect(allowed.headers['access-control-allow-headers']).toBe(
      'Authorization,Content-Type,Idempotency-Key,DPoP,X-Request-Id,traceparent,tracestate'.replaceAll(
        ',',
        adapter === 'fastify' ? ', ' : ',',
      ),
    );
    for (const origin of ['https://evil.example', 'https://app.example.evil.example', 'null']) {
      expect((await preflight(origin)).headers).not.toHaveProperty('access-control-allow-origin');
    }
    const refused = await stub.send('/fail/limited', { headers: { origin: 'https://app.example' } });
    expect(refused.headers['access-control-allow-origin']).toBe('https://app.example');
    expect(refused.headers['access-control-expose-headers']).toMatch(/Retry-After.*X-Request-Id/);
    await stub.app.close();
  });

  it('without origins there is no CORS', async () => {
    const stub = await startStub(adapter, { controllers: [FailingController] });
    const answer = await stub.send('/fail/limited', { headers: { origin: 'https://app.example' } });
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    await stub.app.close();
  });
});
