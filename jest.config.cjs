const { mkdirSync } = require('node:fs');
const { join } = require('node:path');

// Nest 12 and some of its neighbours are published as ES modules; Jest on Node 20 cannot `require` those,
// so @swc/jest turns them into CommonJS on the way in. A new one shows up as "Must use import to load ES Module".
const esmPackages = [
  '@nestjs',
  'jose',
  'cookie',
  'content-disposition',
  'file-type',
  'token-types',
  'strtok3',
  'uint8array-extras',
  '@tokenizer',
  '@borewit',
  'lru-cache',
  'oauth4webapi',
  'openid-client',
  'dpop',
];

const typescript = {
  jsc: {
    target: 'es2023',
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true },
    keepClassNames: true,
  },
  module: { type: 'commonjs' },
  sourceMaps: 'inline',
};

// Workers inherit these. Cost 12 would be a quarter of a second for every password.
Object.assign(process.env, { NODE_ENV: 'test', BCRYPT_COST: '4' });

mkdirSync(join(module.path, 'reports'), { recursive: true }); // for --outputFile, which makes no folder

/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: 'node',
  globalSetup: './test/support/database/global-setup.ts',
  globalTeardown: './test/support/database/global-teardown.ts',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.spec.ts'],
  moduleFileExtensions: ['ts', 'mts', 'js', 'mjs', 'cjs', 'json'],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': ['$1', '$1.js'],
    '^(\\.{1,2}/.*)\\.mjs$': ['$1.mts', '$1.mjs'],
  },
  transform: {
    '^.+\\.m?ts$': ['@swc/jest', typescript],
    '^.+\\.m?js$': ['@swc/jest', { jsc: { target: 'es2023' }, module: { type: 'commonjs' }, sourceMaps: false }],
  },
  transformIgnorePatterns: [`/node_modules/(?!(${esmPackages.join('|')})/)`],
  maxWorkers: 2,
  // A file's modules stay in its worker's memory, and a full heap is collected again and again.
  workerIdleMemoryLimit: '700MB',
  maxConcurrency: 20, // of `it.concurrent`, whose tests mostly wait
  testTimeout: 60_000,
};
