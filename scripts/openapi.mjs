// Writes openapi.json from dist/ (the compiled controllers hold what the Swagger plugin knows), without a database:
// in preview mode Nest reads the modules and makes none of their providers. `--check` compares instead of writing.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { format } from 'prettier';

const require = createRequire(import.meta.url);
const { AppModule } = require('../dist/app.module.js');
const { openApiDocument } = require('../dist/auth/http/index.js');
const { loadConfig } = require('../dist/config.js');
const { createLogger } = require('../dist/logging.js');

const FILE = new URL('../openapi.json', import.meta.url);

// The defaults, whatever this machine's environment says; its generated keys are thrown away.
const keys = mkdtempSync(join(tmpdir(), 'ratchet-openapi-'));
const config = loadConfig({ NODE_ENV: 'test' }, keys);
rmSync(keys, { recursive: true });

const module = AppModule.forRoot(config, 'postgres://preview', createLogger('silent'));
const app = await NestFactory.create(module, new FastifyAdapter(), {
  preview: true,
  logger: false,
  abortOnError: false,
});
const text = await format(JSON.stringify(openApiDocument(app)), { parser: 'json', printWidth: 120 });

if (!process.argv.includes('--check')) {
  writeFileSync(FILE, text);
} else if (!existsSync(FILE) || readFileSync(FILE, 'utf8') !== text) {
  const [was, is] = [existsSync(FILE) ? readFileSync(FILE, 'utf8') : '', text].map((document) => document.split('\n'));
  const line = is.findIndex((each, index) => each !== was[index]);
  console.error(
    `openapi.json does not tell what the routes do: run \`npm run build && npm run openapi\` and commit it.\n` +
      `First difference in line ${line + 1}:\n- ${was[line] ?? ''}\n+ ${is[line] ?? ''}`,
  );
  process.exitCode = 1;
}
