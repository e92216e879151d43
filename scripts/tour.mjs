// The tour of README.md: real curl commands and their real answers. Ends with 0 only when each answer is the expected
// one. BASE_URL names a running instance with the demo accounts, whose sessions it ends; without it an instance of its
// own is started on an embedded database that goes away with it. `--markdown` prints the block that README.md holds.
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { chdir, env, execPath, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { mustBuild } from './stale.mjs';

chdir(fileURLToPath(new URL('..', import.meta.url)));

const sh = (command) => promisify(execFile)('sh', ['-c', command]);
/** The two ends of each token: enough to distinguish them, and useless to a thief. */
const shortened = (text) =>
  text.replace(/(rt1_|eyJ)[\w.-]{20,}/g, (token) => `${token.slice(0, 8)}…${token.slice(-6)}`);
const print = (text) => console.log(shortened(text));

/** Posts by the very command that it prints, and prints the answer unchanged. */
async function post(url, body, expected) {
  const command =
    `curl -sS -w '\\n%{http_code}\\n' ${url} \\\n` +
    `    -H 'Content-Type: application/json' -d '${JSON.stringify(body)}'`;
  print(`$ ${command}`);
  const { stdout } = await sh(command);
  print(stdout.trim());
  const [text, status] = stdout.split('\n');
  const answer = { ...(text ? JSON.parse(text) : {}), status: Number(status) };
  for (const [name, value] of Object.entries(expected)) {
    if (answer[name] !== value) throw new Error(`Expected ${name} ${value}, not ${answer[name]}`);
  }
  return answer;
}

async function tour(baseUrl) {
  const logIn = () =>
    post(
      `${baseUrl}/auth/login`,
      { email: 'user@example.com', password: 'correct horse battery staple' },
      { status: 200, generation: 0 },
    );
  const refresh = ({ refreshToken }, expected) => post(`${baseUrl}/auth/refresh`, { refreshToken }, expected);
  const refused = { status: 401, code: 'token_revoked', recovery: 'reauthenticate' };

  print('# 1. Sign in. An attacker gets hold of this refresh token.');
  const stolen = await logIn();

  print('\n# 2. Refresh, and some time later again. Each answer replaces the token before it.');
  const second = await refresh(stolen, { status: 200, sessionId: stolen.sessionId, generation: 1 });
  const third = await refresh(second, { status: 200, sessionId: stolen.sessionId, generation: 2 });

  print('\n# 3. The attacker uses the old token. That gives the theft away, and ends the session for both sides.');
  await refresh(stolen, refused);
  await refresh(third, refused);

  print('\n# 4. Sign in again, and log out.');
  const last = await logIn();
  await post(`${baseUrl}/auth/logout`, { refreshToken: last.refreshToken }, { status: 204 });

  print('\n# 5. After the log-out its token is worth nothing.');
  await refresh(last, refused);
}

/** The built application in an empty folder, with none of this shell's settings. */
async function withApplication(work) {
  if (mustBuild() && spawnSync('npm', ['run', '--silent', 'build'], { stdio: ['ignore', 2, 2] }).status !== 0) exit(1);
  const folder = mkdtempSync(join(tmpdir(), 'ratchet-tour-'));
  const application = spawn(execPath, [resolve('dist/main.js')], {
    cwd: folder,
    env: { PATH: env.PATH, PORT: '0', LOG_LEVEL: 'error' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // It takes its server with it, and the next command fails.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => application.kill());
  const ended = once(application, 'close');
  try {
    const address = new Promise((found) => {
      let output = '';
      application.stdout.on('data', (chunk) => {
        output += chunk;
        const url = /running on (\S+)\n/.exec(output)?.[1];
        if (url) found(url);
      });
    });
    const baseUrl = await Promise.race([address, ended.then(() => undefined)]);
    if (!baseUrl) throw new Error('The application did not start');
    await work(baseUrl);
  } finally {
    application.kill();
    await ended;
    rmSync(folder, { recursive: true });
  }
}

const fence = process.argv.includes('--markdown') ? print : () => {};
fence('```console');
try {
  await (env.BASE_URL ? tour(env.BASE_URL) : withApplication(tour));
  fence('```');
} catch (error) {
  console.error(`The tour stopped: ${error.message}`);
  exit(1);
}
