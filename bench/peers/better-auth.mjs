import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { toNodeHandler } from 'better-auth/node';
import { testUtils } from 'better-auth/plugins';
import pg from 'pg';

// better-auth on PostgreSQL with its own adapter and schema. `updateAge: 0`: each request for the session renews it. The
// token of a session never changes, so a renewal is the nearest thing to a refresh.

const options = {
  database: new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 }),
  baseURL: `http://127.0.0.1:${process.env.PORT}`,
  secret: 'a secret of the benchmark, of more than 32 characters',
  emailAndPassword: { enabled: true },
  session: { updateAge: 0, expiresIn: 7 * 24 * 3600 },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
};

const { runMigrations } = await getMigrations(options);
await runMigrations();

// Its test plugin opens sessions without the cost of a password each; the server that is measured does without it.
const { test, internalAdapter } = await betterAuth({ ...options, plugins: [testUtils()] }).$context;
const cookies = [];
for (let number = 0; number < Number(process.env.SESSIONS); number++) {
  const user = await internalAdapter.createUser({ email: `user${number}@example.com`, name: `User ${number}` });
  cookies.push((await test.getAuthHeaders({ userId: user.id })).get('cookie'));
}
writeFileSync(process.env.CREDENTIALS_FILE, JSON.stringify(cookies));

createServer(toNodeHandler(betterAuth(options))).listen(Number(process.env.PORT), '127.0.0.1');
