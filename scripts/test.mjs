import { mkdirSync, rmSync } from 'node:fs';
import { finish, inTurn } from './checks.mjs';

// What shows that the product works: types and build, two at a time; then the tests, which use both cores themselves.

rmSync('reports', { recursive: true, force: true });
mkdirSync('reports');

await Promise.all([inTurn(['typecheck']), inTurn(['build', 'openapi:check'])]);
await inTurn(['test:jest'], 'inherit');
finish();
