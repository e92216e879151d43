import { createHash, createHmac, createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import { fastify } from 'fastify';
import { Pool } from 'pg';

/**
 * The floor: what refreshing costs at least on Node and PostgreSQL. Fastify and pg by hand, the same row, the same two
 * named prepared statements, one read and one conditional update, an HS256 access token; no audit, no framework, no rules.
 */

interface Row {
  readonly user_id: string;
  readonly generation: number;
  readonly token_hash: Buffer;
  readonly roles: string[];
  readonly is_active: boolean;
  readonly user_floor: number;
  readonly global_floor: number;
}

const FIND = `
  SELECT s.id, s.user_id, s.generation, s.token_hash, s.previous_token_hash, s.successor_nonce, s.key_id, s.rotated_at,
         s.token_version, s.global_version_at_issuance, s.expires_at, s.absolute_expires_at, s.revoked_at,
         u.roles, u.is_active, COALESCE(f.min_token_version, 1) AS user_floor, p.global_min_token_version AS global_floor
    FROM sessions s
    LEFT JOIN users u ON u.id = s.user_id::uuid
    LEFT JOIN user_token_versions f ON f.user_id = s.user_id
    LEFT JOIN security_policy p ON p.id = 1
   WHERE s.id = $1`;

const ROTATE = `
  UPDATE sessions
     SET generation = generation + 1, token_hash = $4, previous_token_hash = token_hash, rotated_at = now(),
         last_used_at = now(), token_version = $5, global_version_at_issuance = $6,
         expires_at = LEAST(now() + interval '7 days', absolute_expires_at), last_user_agent = $7, last_ip_address = $8
   WHERE id = $1 AND generation = $2 AND token_hash = $3 AND revoked_at IS NULL AND expires_at > now()`;

const TTL_SECONDS = 900;
const JWT_HEADER = Buffer.from('{"alg":"HS256","typ":"at+jwt","kid":"bench"}').toString('base64url');
const key = createSecretKey(randomBytes(32));

const digest = (secret: Buffer): Buffer => createHash('sha256').update(secret).digest();

function accessToken(userId: string, sessionId: string, row: Row): string {
  const iat = Math.floor(Date.now() / 1000);
  const claims = {
    sub: userId,
    sid: sessionId,
    jti: randomUUID(),
    iat,
    exp: iat + TTL_SECONDS,
    iss: 'floor',
    aud: 'floor',
    gv: row.global_floor,
    uv: row.user_floor,
    roles: row.roles,
  };
  const signed = `${JWT_HEADER}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
const app = fastify();

app.get('/health/ready', () => ({ status: 'ok' }));

app.post<{ Body: { refreshToken: string } }>(
  '/auth/refresh',
  {
    schema: {
      body: { type: 'object', required: ['refreshToken'], properties: { refreshToken: { type: 'string' } } },
    },
  },
  async (request, reply) => {
    const [sessionId = '', encoded = ''] = request.body.refreshToken.split('.');
    const hash = digest(Buffer.from(encoded, 'base64url'));
    const found = await pool.query<Row>({ name: 'find', text: FIND, values: [sessionId] });
    const row = found.rows[0];
    if (row?.is_active !== true || !row.token_hash.equals(hash)) return reply.code(401).send();
    const secret = randomBytes(32);
    const token = accessToken(row.user_id, sessionId, row);
    const { rowCount } = await pool.query({
      name: 'rotate',
      text: ROTATE,
      values: [
        sessionId,
        row.generation,
        hash,
        digest(secret),
        row.user_floor,
        row.global_floor,
        request.headers['user-agent'],
        request.ip,
      ],
    });
    if (rowCount !== 1) return reply.code(401).send();
    return reply.headers({ 'cache-control': 'no-store', pragma: 'no-cache' }).send({
      accessToken: token,
      refreshToken: `${sessionId}.${secret.toString('base64url')}`,
      tokenType: 'Bearer',
      expiresIn: TTL_SECONDS,
      refreshExpiresIn: 604_800,
      sessionId,
      generation: row.generation + 1,
    });
  },
);

void app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
