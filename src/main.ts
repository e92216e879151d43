import { CONSOLE_PATH } from './app.module';
import { createApplication } from './bootstrap';
import { InvalidConfiguration, loadConfig, type Config } from './config';
import { messageOf } from './support/message-of';
import { DEMO_ACCOUNTS } from './users';

/** Runs until a signal asks for the end. */
async function run(): Promise<void> {
  const config = loadConfig();
  // Before anything starts: a signal's default would leave the embedded server behind.
  const signalled = firstSignal();
  const { app, drain, close } = await createApplication(config);
  try {
    await app.listen(config.http.port, config.http.host);
    process.stdout.write(welcome(await app.getUrl(), config));
    await signalled;
    await drain();
  } finally {
    await close();
  }
}

/** A later signal ends the process at once. */
function firstSignal(): Promise<void> {
  return new Promise((resolve) => {
    let firstAt = Infinity;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        // Not within the second: npm passes a Ctrl-C on that the terminal has already delivered.
        if (performance.now() - firstAt > 1000) process.exit(1);
        firstAt = Math.min(firstAt, performance.now());
        resolve();
      });
    }
  });
}

function welcome(url: string, { http, users }: Config): string {
  const lines = [
    `Ratchet is running on ${url}`,
    ...(http.consoleEnabled ? [`Console: ${url}/${CONSOLE_PATH}/`] : []),
    ...(http.swaggerEnabled ? [`Swagger UI: ${url}/docs`] : []),
    ...(users.demoAccounts ? ['Demo accounts (e-mail, password):'] : []),
    ...(users.demoAccounts ? DEMO_ACCOUNTS.map(({ email, password }) => `  ${email}  ${password}`) : []),
  ];
  return `\n${lines.join('\n')}\n\n`;
}

/** One line for what stops a start. */
function explain(error: unknown): string {
  if (error instanceof InvalidConfiguration) return error.message;
  return `Ratchet stopped: ${messageOf(error)}`;
}

run().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${explain(error)}\n`);
    process.exit(1);
  },
);
