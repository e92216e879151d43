import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';
import { Type } from 'class-transformer';
import { MaxLength, ValidateNested } from 'class-validator';
import { BODY_LIMIT } from '../../../src/auth/http/kit/json-body';
import { IfPresent, IsPlainText } from '../../../src/auth/http/kit/validation.pipe';
import { ADAPTERS } from '../../support/adapters';
import { startStub, type StubApp } from './stub-app';

class DeviceDto {
  @IsPlainText()
  name!: string;
}

class NoteDto {
  @IsPlainText()
  @MaxLength(20_000)
  text!: string;

  @Type(() => DeviceDto)
  @ValidateNested()
  @IfPresent()
  device?: DeviceDto;
}

@Controller('notes')
class NotesController {
  @Get()
  list(): object {
    return { listed: true };
  }

  @HttpCode(200)
  @Post()
  write(@Body() body: NoteDto): object {
    return { written: body, plain: body instanceof NoteDto };
  }

  @HttpCode(204)
  @Post('empty')
  nothing(): void {}
}

describe.each(ADAPTERS)('bodies on %s', (adapter) => {
  let stub: StubApp;
  beforeAll(async () => {
    stub = await startStub(adapter, { controllers: [NotesController] });
  });
  afterAll(() => stub.app.close());

  const raw = (body: string | Buffer, headers: Record<string, string> = { 'content-type': 'application/json' }) =>
    stub.send('/notes', { method: 'POST', headers, body });

  it('a JSON object reaches its route as the DTO', async () => {
    const answer = await stub.post('/notes', { text: 'hello', device: { name: 'phone' } });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ written: { text: 'hello', device: { name: 'phone' } }, plain: true });
  });

  it.each([
    'application/json',
    'Application/JSON',
    'application/json;charset=utf-8',
    'application/json; charset=UTF-8',
    'application/json ; charset="utf-8"',
    'application/json\t; charset=utf-8',
    'application/json; charset=utf8',
    'application/json;charset="UTF8";',
    'application/json;',
    'application/json; ; charset=utf-8 ;',
  ])('%j is JSON', async (type) => {
    expect((await raw('{"text":"hello"}', { 'content-type': type })).status).toBe(200);
  });

  it('a path with a slash at its end is the path', async () => {
    expect(
      (
        await stub.send('/notes/', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: '{"text":"hello"}',
        })
      ).status,
    ).toBe(200);
  });

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/problem+json',
    'application/jsonp',
    'application/json, text/plain',
    'application/json; charset=utf-16',
    'application/json; charset=utf-8; x=y',
    'application/json x',
    'application/json\ta',
    'text/plain; application/json',
    'json',
    ';',
  ])('%j is 415, whatever the body', async (type) => {
    const answer = await raw('{"text":"hello"}', { 'content-type': type });
    expect(answer.status).toBe(415);
    expect(answer.body).toEqual({
      type: 'about:blank',
      title: 'Unsupported Media Type',
      status: 415,
      code: 'unsupported_media_type',
    });
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
  });

  it('a body without a content type is 415', async () => {
    expect((await raw('{"text":"hello"}', {})).status).toBe(415);
  });

  it('a compressed body is 415', async () => {
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    expect((await raw('{"text":"hello"}', headers)).status).toBe(415);
  });

  it('a body of exactly the limit is read, one byte more is 413', async () => {
    const frame = '{"text":""}'.length;
    const note = (length: number) => JSON.stringify({ text: 'x'.repeat(length - frame) });
    expect((await raw(note(BODY_LIMIT))).status).toBe(200);
    const answer = await raw(note(BODY_LIMIT + 1));
    expect(answer.status).toBe(413);
    expect(answer.body.code).toBe('payload_too_large');
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
  });

  it('a chunked body beyond the limit is 413', async () => {
    const headers = ['content-type', 'application/json', 'transfer-encoding', 'chunked'];
    const body = JSON.stringify({ text: 'x'.repeat(BODY_LIMIT) });
    expect((await stub.send('/notes', { method: 'POST', headers, body })).status).toBe(413);
  });

  it.each(['{"text":', '{text:1}', 'null', '3', '"text"', '[]', '[{"text":"a"}]', '\u0000', '{"text":"a"}{}', ' '])(
    '%j is 400 with the rule, and never echoed',
    async (body) => {
      const answer = await raw(body);
      expect(answer.status).toBe(400);
      expect(answer.body).toEqual({
        type: 'about:blank',
        title: 'Bad Request',
        status: 400,
        code: 'invalid_request',
        errors: [{ path: 'body', message: expect.stringMatching(/^body must be/) }],
      });
    },
  );

  it('what the parser complains about is not quoted: bodies hold passwords', async () => {
    expect((await raw('{"password":"hunter2"')).text).not.toContain('hunter2');
  });

  it('bytes that are not UTF-8 are 400', async () => {
    expect((await raw(Buffer.from([...Buffer.from('{"text":"'), 0xff, ...Buffer.from('"}')]))).status).toBe(400);
  });

  it('nesting to the limit is 400, not a fault', async () => {
    expect((await raw('['.repeat(BODY_LIMIT))).status).toBe(400);
    expect((await raw('['.repeat(BODY_LIMIT / 2) + ']'.repeat(BODY_LIMIT / 2))).status).toBe(400);
    const text = '{"text":"a","device":' + '['.repeat(8000) + ']'.repeat(8000) + '}';
    expect((await raw(text)).status).toBe(400);
  });

  // Seen red without the bound: what validates calls itself for each level.
  it('nesting deeper than anything here is 400 with the rule', async () => {
    const nested = (depth: number) => '{"text":"a","note":' + '['.repeat(depth - 1) + ']'.repeat(depth - 1) + '}';
    expect((await raw(nested(32))).body.errors).toEqual([{ path: 'note', message: 'property note should not exist' }]);
    expect((await raw(nested(33))).body.errors).toEqual([
      { path: 'body', message: 'body must not nest deeper than 32 levels' },
    ]);
  });

  it('an empty body misses the required fields', async () => {
    for (const answer of [await raw(''), await raw('', {})]) {
      expect(answer.status).toBe(400);
      expect(answer.body.errors.map(({ path }: { path: string }) => path)).toContain('text');
    }
  });

  it('a route without a body takes an empty one of any type', async () => {
    expect((await stub.send('/notes/empty', { method: 'POST' })).status).toBe(204);
  });

  it('the body of a GET is not read', async () => {
    const answer = await stub.send('/notes', { headers: { 'content-type': 'text/plain' }, body: 'hello' });
    expect(answer.body).toEqual({ listed: true });
  });

  // Without the check, Fastify and Express both answer 200: class-validator then looks at the wrong class.
  it.each([
    '{"text":7,"__proto__":{}}',
    '{"text":"a","__proto__":{"text":"b"}}',
    '{"text":"a","\\u005f_proto__":{}}',
    '{"text":"a","__proto__":null}',
    '{"text":"a","device":{"name":"b","__proto__":{"name":"c"}}}',
    '{"__proto__":{"text":"b"}}',
    '{"text":"a","constructor":{"prototype":{}}}',
    '{"text":"a","constructor":1}',
    '{"text":"a","prototype":1}',
    '{"text":"a","hasOwnProperty":1}',
    '{"text":"a","__defineGetter__":1}',
  ])('%s is 400: inherited names get past nobody', async (body) => {
    const answer = await raw(body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0].message).toMatch(/should not exist$/);
    expect(({} as { text?: string }).text).toBeUndefined();
  });

  it('unknown fields are 400 by name, also nested ones', async () => {
    const answer = await stub.post('/notes', { text: 'a', admin: true, device: { name: 'b', owner: 'c' } });
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toEqual([
      { path: 'admin', message: 'property admin should not exist' },
      { path: 'device.owner', message: 'property owner should not exist' },
    ]);
  });

  it('a body of nothing but unknown fields comes back short', async () => {
    const body = Object.fromEntries(Array.from({ length: 1500 }, (_, index) => [`f${index}`, 1]));
    const answer = await stub.post('/notes', body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toHaveLength(20);
  });

  it.each(['\u0000', 'a\u0000b', 'a\tb', 'a\nb', '\u007f', '\u0085', '\ud800', 7, null, {}, ['a']])(
    '%j is not plain text',
    async (text) => {
      const answer = await stub.post('/notes', { text });
      expect(answer.status).toBe(400);
      expect(answer.body.errors).toContainEqual({
        path: 'text',
        message: 'text must be a string without control characters',
      });
    },
  );

  it.each(['', 'Grüße', '日本', '👩‍👩‍👧', "'; DROP TABLE sessions; --"])('%j is plain text', async (text) => {
    expect((await stub.post('/notes', { text })).body.written).toEqual({ text });
  });

  it('null is not "absent"', async () => {
    const answer = await stub.post('/notes', { text: 'a', device: null });
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0].path).toBe('device');
  });
});
