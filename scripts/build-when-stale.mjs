import { spawnSync } from 'node:child_process';
import { chdir, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { mustBuild } from './stale.mjs';

chdir(fileURLToPath(new URL('..', import.meta.url)));
if (mustBuild()) exit(spawnSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' }).status ?? 1);
