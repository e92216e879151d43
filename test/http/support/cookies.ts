import type { Answer } from '../../support/app/test-application';

/** The cookies of an answer as a browser takes them apart: the name, the value, the attributes in lower case. */
export function cookiesOf({ headers }: Answer): { name: string; value: string; attributes: Record<string, string> }[] {
  return headers.getSetCookie().map((cookie) => {
    const [pair = '', ...rest] = cookie.split(/; */);
    const [name = '', value = ''] = pair.split(/=(.*)/);
    const attributes = rest.map((one) => one.split('=')).map(([key = '', of = '']) => [key.toLowerCase(), of]);
    return { name, value, attributes: Object.fromEntries(attributes) };
  });
}
