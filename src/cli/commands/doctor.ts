import type { Command } from 'commander';
import { type CommandLineConfig, InvalidConfiguration, loadCommandLineConfig, loadConfig } from '../../config';
import { type Check, examineDatabase, examineSettings, type Finding } from '../../findings';
import { messageOf } from '../../support/message-of';
import { openDatabase } from '../database';
import { Failure } from '../failure';
import { HostUserDirectory } from '../host-user.directory';
import type { Shell } from '../shell';
import { table } from '../text';

export function doctor(program: Command, shell: Shell): void {
  program
    .command('doctor')
    .description('check the configuration, the database, Redis and the keys')
    .action(async () => {
      const checks = await shell.unlessInterrupted(() => examine(shell));
      const failed = checks.filter(({ status }) => status === 'fail').length;
      shell.print(
        { healthy: failed === 0, checks },
        table(checks.map(({ check, status, message }) => [status, check, message])),
      );
      if (failed > 0) throw new Failure(failed === 1 ? 'A check has failed' : `${failed} checks have failed`);
    });
}

async function examine(shell: Shell): Promise<Check[]> {
  let config: CommandLineConfig;
  try {
    config = loadCommandLineConfig();
  } catch (error) {
    if (!(error instanceof InvalidConfiguration)) throw error;
    return [
      ...error.problems.map((message): Check => ({ check: 'configuration', status: 'fail', message })),
      { check: 'everything else', status: 'warn', message: 'not checked: it depends on the configuration' },
    ];
  }
  const checks = await examineSettings(config);
  try {
    await shell.withDatabase(config, async (url) => {
      const { dataSource, userDirectory } = await openDatabase(config, url);
      const isHosts = userDirectory === HostUserDirectory;
      try {
        checks.push(
          ...(await examineDatabase(config, { dataSource, isHosts, application: () => application(isHosts) })),
        );
      } finally {
        await dataSource.destroy();
      }
    });
  } catch (error) {
    checks.push({ check: 'database', status: 'fail', message: messageOf(error) });
  }
  return checks;
}

/** Where the application's users are, its own rules count as well; another one's settings are not in our names. */
function application(isHosts: boolean): Finding {
  if (isHosts) return ['ok', 'another one, whose users are known by id alone'];
  try {
    loadConfig();
    return ['ok', 'this configuration starts it'];
  } catch (error) {
    if (!(error instanceof InvalidConfiguration)) throw error;
    return ['fail', `this configuration does not start it: ${error.problems.join('; ')}`];
  }
}
