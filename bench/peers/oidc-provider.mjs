import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { Provider } from 'oidc-provider';
import pg from 'pg';

// oidc-provider with rotation, on PostgreSQL: one table of JSON documents, as its own example adapters have, found by
// primary key, by named prepared statements.

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
await pool.query(`
  CREATE TABLE IF NOT EXISTS oidc (
    model       text NOT NULL,
    id          text NOT NULL,
    payload     jsonb NOT NULL,
    grant_id    text,
    uid         text,
    user_code   text,
    expires_at  timestamptz,
    consumed_at timestamptz,
    PRIMARY KEY (model, id)
  ) WITH (fillfactor = 85)`);
await pool.query('CREATE INDEX IF NOT EXISTS oidc_grant ON oidc (grant_id)');
await pool.query('CREATE INDEX IF NOT EXISTS oidc_uid ON oidc (uid) WHERE uid IS NOT NULL');
await pool.query('CREATE INDEX IF NOT EXISTS oidc_user_code ON oidc (user_code) WHERE user_code IS NOT NULL');

const LIVE = '(expires_at IS NULL OR expires_at > now())';
const send = async (name, text, values) => (await pool.query({ name, text, values })).rows;
const found = ([row]) =>
  row && { ...row.payload, ...(row.consumed_at ? { consumed: Math.floor(row.consumed_at.getTime() / 1000) } : {}) };

class PostgresAdapter {
  constructor(model) {
    this.model = model;
  }

  async upsert(id, payload, expiresIn) {
    await send(
      'upsert',
      `INSERT INTO oidc (model, id, payload, grant_id, uid, user_code, expires_at)
       VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))
       ON CONFLICT (model, id) DO UPDATE
         SET payload = excluded.payload, grant_id = excluded.grant_id, uid = excluded.uid,
             user_code = excluded.user_code, expires_at = excluded.expires_at`,
      [
        this.model,
        id,
        payload,
        payload.grantId ?? null,
        payload.uid ?? null,
        payload.userCode ?? null,
        expiresIn ?? null,
      ],
    );
  }

  async find(id) {
    return found(
      await send('find', `SELECT payload, consumed_at FROM oidc WHERE model = $1 AND id = $2 AND ${LIVE}`, [
        this.model,
        id,
      ]),
    );
  }

  async findByUid(uid) {
    return found(
      await send('uid', `SELECT payload, consumed_at FROM oidc WHERE model = $1 AND uid = $2 AND ${LIVE}`, [
        this.model,
        uid,
      ]),
    );
  }

  async findByUserCode(code) {
    return found(
      await send('code', `SELECT payload, consumed_at FROM oidc WHERE model = $1 AND user_code = $2 AND ${LIVE}`, [
        this.model,
        code,
      ]),
    );
  }

  async consume(id) {
    await send('consume', 'UPDATE oidc SET consumed_at = now() WHERE model = $1 AND id = $2', [this.model, id]);
  }

  async destroy(id) {
    await send('destroy', 'DELETE FROM oidc WHERE model = $1 AND id = $2', [this.model, id]);
  }

  async revokeByGrantId(grantId) {
    await send('revoke', 'DELETE FROM oidc WHERE grant_id = $1', [grantId]);
  }
}

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const clientId = 'bench';
const scope = 'openid offline_access';
const day = 24 * 3600;

const provider = new Provider('https://bench.example', {
  adapter: PostgresAdapter,
  clients: [
    {
      client_id: clientId,
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      redirect_uris: ['https://bench.example/callback'],
      id_token_signed_response_alg: 'ES256',
    },
  ],
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256' }] },
  cookies: { keys: ['bench'] },
  features: { devInteractions: { enabled: false } },
  findAccount: (_ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  rotateRefreshToken: true,
  ttl: { AccessToken: 900, Grant: 30 * day, IdToken: 900, RefreshToken: 7 * day, Session: 30 * day, Interaction: 900 },
});
provider.proxy = true;

// What a login with the authorization code flow leaves behind.
const client = await provider.Client.find(clientId);
const tokens = [];
for (let number = 0; number < Number(process.env.SESSIONS); number++) {
  const grant = new provider.Grant({ accountId: `user-${number}`, clientId });
  grant.addOIDCScope(scope);
  const token = new provider.RefreshToken({
    accountId: `user-${number}`,
    client,
    grantId: await grant.save(),
    gty: 'authorization_code',
    authTime: Math.floor(Date.now() / 1000),
    scope,
  });
  tokens.push(await token.save());
}
writeFileSync(process.env.CREDENTIALS_FILE, JSON.stringify(tokens));

provider.listen(Number(process.env.PORT), '127.0.0.1');
