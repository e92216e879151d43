import { newAccessTokenKey, newRefreshTokenRoot } from '../../../src/new-keys';
import type { ResourceServerOptions } from '../../../src/resource-server';
import { type Answer, startTestApplication, type TestApplication } from '../../support/app/test-application';
import type { AdapterName } from '../../support/adapters';
import { freshDatabase, type TestDatabase } from '../../support/database/test-database';

export const ISSUER = 'https://auth.example';
export const SERVICE = { name: 'orders', secret: 'a-secret-of-the-orders-service-0123' };

/** Settings of an authorization server with one service; instances of one deployment share them. */
export const servicesEnv = (): Record<string, string> => ({
  ACCESS_TOKEN_KEYS: `test:${newAccessTokenKey('ES256')}`,
  REFRESH_TOKEN_KEYS: `0:${newRefreshTokenRoot()}`,
  ACCESS_TOKEN_ISSUER: ISSUER,
  ACCESS_TOKEN_AUDIENCE: 'ratchet',
  RESOURCE_SERVERS: `${SERVICE.name}:${SERVICE.secret}`,
});

export const basic = (name: string, secret: string): string =>
  `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`;

/** Two instances on one database, and what a service asks them. */
export class TwoInstances {
  private constructor(
    readonly database: TestDatabase,
    readonly one: TestApplication,
    readonly other: TestApplication,
  ) {}

  static async start(env = servicesEnv(), adapters: readonly AdapterName[] = ['fastify', 'fastify']) {
    const database = await freshDatabase();
    const start = (adapter: AdapterName = 'fastify') => startTestApplication({ adapter, database, env });
    const one = await start(adapters[0]);
    return new TwoInstances(database, one, await start(adapters[1]));
  }

  async close(): Promise<void> {
    await Promise.all([this.one.close(), this.other.close()]);
    await this.database.close();
  }
}

/** A poll of a service, by default one that waits for nothing. */
export function poll(app: TestApplication, after?: string, wait = 0): Promise<Answer> {
  const query = new URLSearchParams({ ...(after !== undefined && { after }), wait: String(wait) });
  const headers = { Authorization: basic(SERVICE.name, SERVICE.secret) };
  return app.request('GET', `/auth/revocations?${query}`, { headers });
}

/** The cursor after all that an instance has, its snapshot's pages included. */
export async function upToDate(app: TestApplication, after?: string): Promise<string> {
  const { body } = await poll(app, after);
  const { cursor, snapshot, revocations } = body;
  const isEnd = snapshot === null ? revocations.length === 0 : snapshot.page === snapshot.pages;
  return isEnd && after !== undefined ? cursor : upToDate(app, cursor);
}

/** Options of a service that follows the instance there. */
export const optionsOf = (origin: string): ResourceServerOptions => ({
  issuer: ISSUER,
  audience: 'ratchet',
  jwksUrl: `${origin}/.well-known/jwks.json`,
  feed: { url: `${origin}/auth/revocations`, ...SERVICE },
});
