import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { afterFailover } from './commands/after-failover';
import { afterRestore } from './commands/after-restore';
import { audit } from './commands/audit';
import { clean } from './commands/clean';
import { doctor } from './commands/doctor';
import { drill } from './commands/drill';
import { keys } from './commands/keys';
import { migrate } from './commands/migrate';
import { rotate } from './commands/rotate';
import { sessions } from './commands/sessions';
import { users } from './commands/users';
import { complain, EXIT, failureOf } from './failure';
import { Shell } from './shell';

async function run(argv: readonly string[]): Promise<number> {
  const { version } = JSON.parse(readFileSync(join(__dirname, '../../package.json'), 'utf8')) as { version: string };
  const program = new Command('ratchet')
    .description('Sessions, rotations and the audit trail, from a terminal')
    .version(version)
    .option('--json', 'print JSON')
    .option('--verbose', 'log to standard error')
    .exitOverride()
    .configureOutput({ outputError: (text) => complain(text.replace(/^error: /, '')) });
  const shell = new Shell(program);
  for (const add of [sessions, users, rotate, audit, clean, afterFailover, afterRestore, keys, migrate, doctor, drill])
    add(program, shell);
  try {
    await program.parseAsync(argv);
    return EXIT.ok;
  } catch (error) {
    // Commander has already reported it.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const { message, exitCode } = failureOf(error);
    complain(message);
    return exitCode;
  }
}

void run(process.argv).then((code) => process.exit(code));
