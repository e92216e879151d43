import { join } from 'node:path';
import { REVOCATION_REASONS } from '../src';
import type { Section } from './report';
import { inRounds, type Setting } from './setting';
import { medianOf, ratio, round, type Sample, throughput, whole } from './support/figures';
import { measure, type Target } from './support/measure';
import { type ServerCommand, startServer } from './support/server-process';
import { KEYS, NODE_OPTIONS, ratchet } from './support/servers';
import { seedSessions } from './support/sessions';

const CLIENTS = 16;

/** What ADR 12 leaves out. */
const CHECKS_OF_SESSIONS = [
  'generation >= 0',
  'octet_length(token_hash) = 32',
  'octet_length(previous_token_hash) = 32',
  'octet_length(successor_nonce) = 16',
  'key_id BETWEEN 0 AND 255',
  'octet_length(retry_key_hash) = 32',
  `delivery IN ('body', 'cookie')`,
  `revoked_reason IN (${REVOCATION_REASONS.map((reason) => `'${reason}'`).join(', ')})`,
  '(revoked_at IS NULL) = (revoked_reason IS NULL)',
];

/** What each step of the tuning gives: the product as it ships, and once without each of them. */
export async function steps(setting: Setting): Promise<Section> {
  const { postgres, rounds, sessions, tell } = setting;
  tell('seeding and starting');
  const workload = { kind: 'refresh', root: KEYS.refreshRoot, sessions } as const;
  const targets: (Target & { readonly samples: Sample[]; rss: number })[] = [];
  const start = async (who: string, undone: string, change: (command: ServerCommand) => ServerCommand) => {
    const database = await postgres.create(`steps_${undone.replace('-', '_')}`, 'migrated');
    if (undone === 'lighter-rotations') {
      const checks = CHECKS_OF_SESSIONS.map((rule) => `ADD CHECK (${rule})`);
      await database.client.query(`ALTER TABLE sessions ${checks.join(', ')}`);
      await database.client.query(
        `ALTER TABLE auth_events ADD CHECK (outcome IN ('attempted', 'succeeded', 'failed'))`,
      );
    }
    await seedSessions(database.client, sessions);
    const server = await startServer(change(ratchet(postgres.folder, database.url, {}, undone)));
    targets.push({ who, server, database, workload, samples: [], rss: 0 });
  };
  const patched = (command: ServerCommand) => ({
    ...command,
    argv: ['-r', join(__dirname, 'servers', 'undone.cjs'), ...command.argv],
    env: { ...command.env, UNDONE: command.name },
  });
  await start('as it ships', 'nothing', (command) => command);
  await start('statements are not prepared', 'prepared-statements', (command) => ({
    ...command,
    env: { ...command.env, DATABASE_PREPARED_STATEMENTS: 'false' },
  }));
  await start('each refresh reads alone', 'shared-reads', patched);
  await start('each rotation is written alone', 'shared-writes', patched);
  await start('AsyncLocalStorage stays on after a unit of work', 'idle-context', patched);
  await start('CHECKs of columns that a rotation does not write', 'lighter-rotations', (command) => command);
  await start('bodies are converted by class-transformer', 'plain-validation', patched);
  await start('access tokens are signed by jsonwebtoken', 'own-signature', patched);
  await start('random bytes are drawn one by one', 'bulk-randomness', patched);
  await start(`without ${NODE_OPTIONS.join(' ')}`, 'tight-heap', (command) => ({
    ...command,
    argv: command.argv.filter((argument) => !NODE_OPTIONS.includes(argument)),
  }));

  for (const one of targets) await measure(setting, one, CLIENTS);
  await inRounds(rounds, targets, async (one, turn) => {
    tell(`round ${turn + 1} of ${rounds}: ${one.who}`);
    one.samples.push(await measure(setting, one, CLIENTS));
    one.rss = Math.max(one.rss, one.server.rss());
  });
  for (const { server } of targets) await server.stop();

  const shipped = targets[0]?.samples ?? [];
  return {
    name: 'steps',
    command: 'npm run bench -- --steps',
    budget: [],
    tables: [
      {
        title: `Refreshes without one step each, ${CLIENTS} clients`,
        columns: ['', '÷ as it ships', 'statements', 'CPU µs', 'PostgreSQL µs', 'highest RSS MB'],
        rows: targets.map(({ who, samples, rss }) => [
          who,
          round(ratio(throughput(samples), throughput(shipped)), 2),
          round(medianOf(samples, 'statements'), 2),
          whole(medianOf(samples, 'cpuMicros')),
          whole(medianOf(samples, 'postgresMicros')),
          whole(rss),
        ]),
      },
    ],
  };
}
