import { createHash, createHmac, createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import { fastify } from 'fastify';
import { Pool } from 'pg';

/**
 * The floor: what refreshing costs at least on Node and PostgreSQL. Fastify and pg by hand, the same row, the same two
 * named prepared statements, one read and one conditional update, an HS256 access token; no audit, no framework, no rules.
 * With `one` in argv both are one statement, as an expert writes it: it signs after the token is spent.
 */
const isOne = process.argv[2] === 'one';

interface Rotated {
  readonly user_id: string;
  readonly generation: number;
  readonly roles: string[];
  readonly user_floor: number;
  readonly global_floor: number;
}

interface Row extends Rotated {
  readonly token_hash: Buffer;
  readonly is_active: boolean;
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

const ROTATE_AT_ONCE = `
  UPDATE sessions s
     SET generation = s.generation + 1, token_hash = $3, previous_token_hash = s.token_hash, rotated_at = now(),
         last_used_at = now(), token_version = COALESCE(f.min_token_version, 1),
         global_version_at_issuance = p.global_min_token_version,
         expires_at = LEAST(now() + interval '7 days', s.absolute_expires_at), last_user_agent = $4, last_ip_address = $5
    FROM sessions found
    JOIN users u ON u.id = found.user_id::uuid
    LEFT JOIN user_token_versions f ON f.user_id = found.user_id
    JOIN security_policy p ON p.id = 1
   WHERE found.id = $1 AND s.id = found.id AND s.token_hash = $2 AND s.revoked_at IS NULL AND s.expires_at > now() AND u.is_active
  RETURNING s.user_id, s.generation, u.roles, COALESCE(f.min_token_version, 1) AS user_floor,
            p.global_min_token_version AS global_floor`;

const TTL_SECONDS = 900;
const JWT_HEADER = Buffer.from('{"alg":"HS256","typ":"at+jwt","kid":"bench"}').toString('base64url');
const key = createSecretKey(randomBytes(32));

const digest = (secret: Buffer): Buffer => createHash('sha256').update(secret).digest();

function accessToken(sessionId: string, row: Rotated): string {
  const iat = Math.floor(Date.now() / 1000);
  const claims = {
    sub: row.user_id,
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

interface Issued {
  readonly token: string;
  readonly generation: number;
}

async function rotate(id: string, hash: Buffer, next: Buffer, client: unknown[]): Promise<Issued | null> {
  const { rows } = await pool.query<Row>({ name: 'find', text: FIND, values: [id] });
  const [row] = rows;
  if (row?.is_active !== true || !row.token_hash.equals(hash)) return null;
  const token = accessToken(id, row);
  const values = [id, row.generation, hash, next, row.user_floor, row.global_floor, ...client];
  const { rowCount } = await pool.query({ name: 'rotate', text: ROTATE, values });
  return rowCount === 1 ? { token, generation: row.generation + 1 } : null;
}

async function rotateAtOnce(id: string, hash: Buffer, next: Buffer, client: unknown[]): Promise<Issued | null> {
  const values = [id, hash, next, ...client];
  const { rows } = await pool.query<Rotated>({ name: 'rotate_at_once', text: ROTATE_AT_ONCE, values });
  const [row] = rows;
  return row === undefined ? null : { token: accessToken(id, row), generation: row.generation };
}

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
    const secret = randomBytes(32);
    const client = [request.headers['user-agent'], request.ip];
    const rotated = await (isOne ? rotateAtOnce : rotate)(sessionId, hash, digest(secret), client);
    if (rotated === null) return reply.code(401).send();
    const { token, generation } = rotated;
    return reply.headers({ 'cache-control': 'no-store', pragma: 'no-cache' }).send({
      accessToken: token,
      refreshToken: `${sessionId}.${secret.toString('base64url')}`,
      tokenType: 'Bearer',
      expiresIn: TTL_SECONDS,
      refreshExpiresIn: 604_800,
      sessionId,
      generation,
    });
  },
);

void app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
