import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { plantedTree, root } from './planted-tree';

const injected = (imports: string, parameter: string, decorator = '@Injectable()') => `
  import { Inject, Injectable } from '@nestjs/common';
  ${imports}
  export const used = [Inject, Injectable];
  ${decorator}
  export class Planted {
    constructor(${parameter}) {}
  }
`;
const port = 'ports/clock';

const refused: [rule: string, file: string, text: string][] = [
  ['no-restricted-syntax', 'src/main.ts', 'export const port = process.env.PORT;'],
  ['no-restricted-syntax', 'src/auth/domain/a.ts', 'export const { NODE_ENV } = process.env;'],
  ['no-restricted-syntax', 'src/users/index.ts', "export * from '../auth/ports/clock';"],
  ['no-restricted-imports', 'src/users/a.ts', "import { env } from 'node:process';\nexport const port = env.PORT;"],
  ['no-restricted-imports', 'src/auth/auth.module.ts', "export { CqrsModule } from '@nestjs/cqrs';"],
  [
    'no-restricted-imports',
    'src/auth/a.ts',
    "import { CqrsModule } from '@nestjs/cqrs';\nexport const a = CqrsModule;",
  ],
  ['@typescript-eslint/no-floating-promises', 'src/b.ts', 'Promise.resolve();'],
  ['@typescript-eslint/no-misused-promises', 'src/c.ts', '[1].forEach(async () => Promise.resolve());'],
  [
    'ratchet/injected-as-value',
    'src/auth/d1.ts',
    injected(`import type { Clock } from './${port}';`, 'private readonly clock: Clock'),
  ],
  [
    'ratchet/injected-as-value',
    'src/auth/d2.ts',
    injected(`import { type Clock } from './${port}';`, 'public clock: Clock'),
  ],
  [
    'ratchet/injected-as-value',
    'src/auth/d3.ts',
    injected(`import type { Clock } from './${port}';`, 'public clock?: Clock'),
  ],
];

const accepted: [why: string, file: string, text: string][] = [
  ['the configuration reads the environment', 'src/config.ts', 'export const port = process.env.PORT;'],
  [
    'the application owns the bus',
    'src/app.module.ts',
    "import { CqrsModule } from '@nestjs/cqrs';\nexport const a = CqrsModule;",
  ],
  [
    'a port imported as a value',
    'src/auth/e1.ts',
    injected(`import { Clock } from './${port}';`, 'public clock: Clock'),
  ],
  [
    'a token of its own needs no run-time type',
    'src/auth/e2.ts',
    injected(`import type { Clock } from './${port}';`, "@Inject('clock') public clock: Clock"),
  ],
  [
    'a class that nobody injects',
    'src/auth/e3.ts',
    injected(`import type { Clock } from './${port}';`, 'public clock: Clock', ''),
  ],
];

describe('the linter', () => {
  const folder = plantedTree(
    ['eslint.config.mjs', 'tsconfig.json', 'package.json', 'scripts/injected-as-value.mjs'],
    [
      [`src/auth/${port}.ts`, 'export abstract class Clock { abstract now(): Date }'],
      ...[...refused, ...accepted].map(([, file, text]) => [file, text] as const),
    ],
  );
  const reports = new Map<string, string[]>();

  beforeAll(() => {
    const { stdout } = spawnSync(
      process.execPath,
      [join(root, 'node_modules/eslint/bin/eslint.js'), '-f', 'json', 'src'],
      {
        cwd: folder,
        encoding: 'utf8',
      },
    );
    for (const { filePath, messages } of JSON.parse(stdout) as { filePath: string; messages: { ruleId: string }[] }[]) {
      reports.set(
        relative(folder, filePath),
        messages.map(({ ruleId }) => ruleId),
      );
    }
  });

  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it.each(refused)('refuses by %s what is in %s', (rule, file) => {
    expect(reports.get(file)).toEqual([rule]);
  });

  it.each(accepted)('accepts %s', (_why, file) => {
    expect(reports.get(file)).toEqual([]);
  });
});
