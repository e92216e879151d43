import type { Answer, TestApplication } from '../../support/app/test-application';

/** A service of the test's `RESOURCE_SERVERS`. */
export const SERVICE = { name: 'orders', secret: 'a-secret-of-orders-with-32-letters' };
export const WITH_SERVICE = { RESOURCE_SERVERS: `${SERVICE.name}:${SERVICE.secret}` };

/** A form, of fields or as it is on the wire. */
export const postForm = (
  app: TestApplication,
  path: string,
  form: Readonly<Record<string, string>> | string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> =>
  app.request('POST', path, {
    body: new URLSearchParams(form).toString(),
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
  });

export const grantOf = (refreshToken: string) => ({
  grant_type: 'refresh_token',
  client_id: 'app',
  refresh_token: refreshToken,
});

/** The refresh of a client of OAuth. */
export const exchange = (
  app: TestApplication,
  refreshToken: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> => postForm(app, '/oauth/token', grantOf(refreshToken), headers);

export const revoke = (
  app: TestApplication,
  token: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> => postForm(app, '/oauth/revoke', { token, client_id: 'app' }, headers);

export const basicOf = ({ name, secret }: typeof SERVICE) => ({
  Authorization: `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`,
});

export const introspect = (app: TestApplication, token: string, as = SERVICE): Promise<Answer> =>
  postForm(app, '/oauth/introspect', { token }, basicOf(as));
