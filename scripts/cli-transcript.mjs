// The terminal transcript of docs/cli.md: real commands beside a real application, on an embedded database that goes
// away with it. What differs from run to run is made the same. Writes the page; `--check` compares instead.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chdir, execPath, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { mustBuild } from './stale.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = join(root, 'docs/cli.md');
const MARKED = /(<!-- transcript -->\n)[^]*(<!-- end of the transcript -->)/;

chdir(root);
if (mustBuild() && spawnSync('npm', ['run', '--silent', 'build'], { stdio: ['ignore', 2, 2] }).status !== 0) exit(1);
const require = createRequire(import.meta.url);
const { createApplication } = require('../dist/bootstrap.js');
const { loadConfig } = require('../dist/config.js');

/** Ids by the order in which they are met; times, counts and names of this machine by what a reader expects. */
function settled(text) {
  const ids = [];
  const place = (id) => (ids.includes(id) ? ids.indexOf(id) : ids.push(id) - 1);
  return text
    .replace(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, (id) => `0198a0b0-0000-7000-8000-00000000000${place(id) + 1}`)
    .replace(/\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d/g, '2026-01-31$112:00:00')
    .replace(/\.\d{3}Z/g, '.000Z')
    .replace(/[\d,]+ ms (behind|ahead)/, '0 ms behind')
    .replace(/\d+ are in use/, '5 are in use')
    .replace(/"?secondsSinceRotation"?=[\d.]+/, 'secondsSinceRotation=42');
}

function ratchet(command) {
  const args = command.match(/'[^']*'|\S+/g).map((word) => word.replaceAll("'", ''));
  const { status, stdout, stderr } = spawnSync(execPath, [join(root, 'bin/ratchet.cjs'), ...args], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`ratchet ${command} ended with ${status}: ${stdout}${stderr}`);
  return `$ npx ratchet ${command}\n${stdout}`;
}

const folder = mkdtempSync(join(tmpdir(), 'ratchet-transcript-'));
chdir(folder);
// None of this shell's settings, here and in the commands.
for (const name of Object.keys(process.env)) if (name !== 'PATH') delete process.env[name];
const { app, close } = await createApplication(
  loadConfig({ PORT: '0', LOG_LEVEL: 'silent', REFRESH_REPLAY_WINDOW: '0' }),
);
let transcript;
try {
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  const post = async (path, body) =>
    (
      await fetch(url + path, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      })
    ).json();
  const logIn = () => post('/auth/login', { email: 'user@example.com', password: 'correct horse battery staple' });
  const refresh = ({ refreshToken }) => post('/auth/refresh', { refreshToken });

  await logIn();
  const stolen = await logIn();
  await refresh(await refresh(stolen));
  const before = [ratchet('doctor'), ratchet("rotate --mode drain --grace 10m --reason 'keys in a log' --dry-run")];
  await refresh(stolen);
  transcript = settled([...before, ratchet('audit tail -n 6')].join('\n'));
} finally {
  await close();
  rmSync(folder, { recursive: true });
}

const text = readFileSync(page, 'utf8');
const marked = text.replace(MARKED, (_, begin, end) => `${begin}\`\`\`console\n${transcript}\`\`\`\n${end}`);
if (!process.argv.includes('--check')) writeFileSync(page, marked);
else if (marked !== text) {
  console.error(`docs/cli.md does not show what the commands print: run \`npm run cli:transcript\`.\n\n${transcript}`);
  exit(1);
}
