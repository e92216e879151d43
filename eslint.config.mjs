import { defineConfig, globalIgnores } from 'eslint/config';
import { builtinRules } from 'eslint/use-at-your-own-risk';
import tseslint from 'typescript-eslint';
import { injectedAsValue } from './scripts/injected-as-value.mjs';

// What `@eslint/js` calls recommended, and Node's own globals, without two more packages.
const recommended = [...builtinRules].filter(([, rule]) => rule.meta.docs.recommended).map(([name]) => [name, 'error']);
const nodeGlobals = Object.getOwnPropertyNames(globalThis).map((name) => [name, 'readonly']);

const processEnv = {
  selector: "MemberExpression[object.name='process'][property.name='env']",
  message: 'Only src/config.ts reads the environment: take the value from Config or from AuthOptions.',
};
const exportAll = {
  selector: 'ExportAllDeclaration',
  message: 'A door names what it lets out.',
};
const processModule = {
  name: 'node:process',
  message: 'Use the global `process`; its environment is read by src/config.ts only.',
};

export default defineConfig(
  globalIgnores(['dist/', 'coverage/', 'reports/', 'artefacts/', '.data/', '.stryker-tmp/', 'examples/']),
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    languageOptions: { globals: Object.fromEntries(nodeGlobals) },
    rules: {
      ...Object.fromEntries(recommended),
      eqeqeq: 'error',
      'no-console': 'error',
      'no-else-return': 'error',
      'no-self-compare': 'error',
      'no-template-curly-in-string': 'error',
      'no-unmodified-loop-condition': 'error',
      'no-useless-rename': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
    },
  },
  {
    files: ['**/*.{ts,tsx,mts}'],
    extends: [tseslint.configs.strictTypeChecked],
    plugins: { ratchet: { rules: { 'injected-as-value': injectedAsValue } } },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // `consistent-type-imports` stays out: it would turn injected ports into type-only imports.
      'ratchet/injected-as-value': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allow: ['Error', 'URL', 'URLSearchParams'] },
      ],
      // Slow, and no enum is declared here.
      '@typescript-eslint/no-unsafe-enum-assignment': 'off',
      // The compiler reports them already (noUnusedLocals, noUnusedParameters).
      '@typescript-eslint/no-unused-vars': 'off',
      // DTOs and options are classes for their metadata, and plain objects wherever they are made.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // A method that implements an asynchronous port is `async` so that its throws are rejections too.
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    files: ['src/**/*.{ts,mts}'],
    rules: {
      'no-restricted-syntax': ['error', processEnv, exportAll],
      'no-restricted-imports': ['error', { paths: [processModule] }],
    },
  },
  { files: ['src/config.ts'], rules: { 'no-restricted-syntax': ['error', exportAll] } },
  // The package's door joins doors that name what they let out.
  { files: ['src/index.ts'], rules: { 'no-restricted-syntax': ['error', processEnv] } },
  {
    // What a host may lack, or what takes long to load, is required where it is used. `import()` would not do: a host's
    // Jest cannot load by it.
    files: [
      'src/peers.ts',
      'src/support/packages.ts',
      'src/auth/auth.module.ts',
      'src/auth/http/kit/openapi.ts',
      'src/auth/http/kit/rules.ts',
      'src/auth/infrastructure/providers.ts',
      'src/auth/infrastructure/redis/redis-connection.ts',
      'src/users/email.ts',
    ],
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
  {
    files: ['src/auth/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: [
            processModule,
            {
              name: '@nestjs/cqrs',
              importNames: ['CqrsModule'],
              message: "Beside the host's CqrsModule.forRoot() a second import makes a second bus.",
            },
          ],
        },
      ],
    },
  },
  {
    files: ['test/**/*.ts', 'src/testing/contract/*.ts'],
    rules: {
      // Answers over the wire are `any` by nature, and a test that dereferences nothing fails as it should.
      '@typescript-eslint/no-explicit-any': 'off',
      '@typescript-eslint/no-misused-spread': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
    },
  },
  // Jest's own `require` keeps what it has loaded, and needs no promise.
  { files: ['test/together/together.ts'], rules: { '@typescript-eslint/no-require-imports': 'off' } },
  {
    files: ['**/*.{mjs,cjs}', 'bench/**/*.ts', 'scripts/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
);
