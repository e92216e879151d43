import jestConfig from './jest.config.cjs';

// Mutates the pure rules: they need neither a database nor a server, so their tests run without either.
const { transform, transformIgnorePatterns, moduleNameMapper, moduleFileExtensions, testEnvironment } = jestConfig;

export default {
  // The rules; events are declarations, and the list of passwords is data.
  mutate: ['src/auth/domain/**/*.ts', '!src/auth/domain/{common-passwords,events}.ts'],
  testRunner: 'jest',
  plugins: ['@stryker-mutator/jest-runner'],
  jest: {
    config: {
      // Laid over jest.config.cjs, whose database each mutant would start again.
      globalSetup: null,
      globalTeardown: null,
      transform,
      transformIgnorePatterns,
      moduleNameMapper,
      moduleFileExtensions,
      testEnvironment,
      testMatch: ['<rootDir>/test/domain/**/*.spec.ts'],
      setupFiles: ['<rootDir>/test/support/few-runs.ts'],
    },
  },
  coverageAnalysis: 'perTest',
  ignorePatterns: ['/dist', '/bench', '/reports', '/.data', '/artefacts'],
  ignoreStatic: true,
  concurrency: 2,
  reporters: ['progress-append-only', 'clear-text', 'json'],
  jsonReporter: { fileName: 'reports/stryker.json' },
  clearTextReporter: { allowColor: false, logTests: false, allowEmojis: false },
  timeoutMS: 60_000, // a mutant that loops for ever; a busy machine must not pass for one
  thresholds: { high: 99, low: 98, break: 97 },
};
