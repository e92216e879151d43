#!/usr/bin/env node
// Not the compiled file itself: a build makes that anew, without the right to be executed.
const { existsSync } = require('node:fs');
const { join } = require('node:path');

const main = join(module.path, '../dist/cli/main.js');
if (existsSync(main)) require(main);
else {
  console.error('ratchet: not built yet: npm run build');
  process.exitCode = 1;
}
