import fc from 'fast-check';
import { demandForm } from '../../../src/auth/http/kit/form-body';

const TYPE = 'application/x-www-form-urlencoded';
const formOf = (body: unknown, type = TYPE) => demandForm({ headers: { 'content-type': type }, body });
const invalid = (message: RegExp) =>
  expect.objectContaining({
    status: 400,
    response: expect.objectContaining({ errors: [{ path: 'body', message: expect.stringMatching(message) }] }),
  });

describe('a form', () => {
  it('is the same from its bytes and from the parser of a host', () => {
    const names = fc.string({ minLength: 1 }).filter((name) => name !== '__proto__');
    fc.assert(
      fc.property(
        fc.dictionary(
          names,
          fc.string({ minLength: 1 }).filter((text) => text.isWellFormed()),
        ),
        (fields) => {
          const wellFormed = Object.fromEntries(Object.entries(fields).filter(([name]) => name.isWellFormed()));
          const bytes = Buffer.from(new URLSearchParams(wellFormed).toString());
          expect(formOf(bytes)).toEqual(new Map(Object.entries(wellFormed)));
          expect(formOf({ ...wellFormed })).toEqual(new Map(Object.entries(wellFormed)));
        },
      ),
    );
  });

  it.each([TYPE, TYPE.toUpperCase(), `${TYPE};charset=utf-8`, `${TYPE}; charset="UTF-8"`, `${TYPE};`])(
    'may be sent as %s',
    (type) => {
      expect(formOf(Buffer.from('a=b'), type).get('a')).toBe('b');
    },
  );

  it.each([
    '',
    'application/json',
    'text/plain',
    'multipart/form-data; boundary=x',
    `${TYPE}x`,
    `${TYPE}; charset=latin1`,
  ])('is none as %p', (type) => {
    expect(() => formOf(Buffer.from('a=b'), type)).toThrow(invalid(/urlencoded/));
  });

  it('may be empty; a parameter without a value counts as omitted', () => {
    expect(formOf(undefined).size).toBe(0);
    expect(formOf(Buffer.from('a=&b&c=d'))).toEqual(new Map([['c', 'd']]));
    expect(formOf({ a: '', b: { c: '1' }, c: 'd' })).toEqual(new Map([['c', 'd']]));
  });

  it.each([
    ['two of a name', Buffer.from('a=1&a=2')],
    ['two of a name that is escaped', Buffer.from('a=1&%61=2')],
    ['a list', { a: ['1', '2'] }],
  ])('is refused with %s', (_name, body) => {
    expect(() => formOf(body)).toThrow(invalid(/^each parameter must be given once$/));
  });

  it('is refused in bytes that are no UTF-8, compressed, or beyond 16 KiB', () => {
    expect(() => formOf(Buffer.from([0x61, 0x3d, 0xff]))).toThrow(invalid(/UTF-8/));
    const headers = { 'content-type': TYPE, 'content-encoding': 'gzip' };
    expect(() => demandForm({ headers, body: Buffer.from('a=b') })).toThrow(invalid(/urlencoded/));
    expect(() => demandForm({ headers: { 'content-type': TYPE, 'content-length': '16385' } })).toThrow(
      expect.objectContaining({ status: 413 }),
    );
  });
});
