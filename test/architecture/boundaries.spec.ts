import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { plantedTree, root } from './planted-tree';

const configuration = join(root, '.dependency-cruiser.cjs');
// eslint-disable-next-line @typescript-eslint/no-require-imports -- the rules under test, as the tool loads them
const { forbidden } = require(configuration) as { forbidden: { name: string }[] };

interface Report {
  summary: { totalCruised: number; violations: { from: string; to: string; rule: { name: string } }[] };
}

// dependency-cruiser is an ES module, which Jest cannot import on Node 20: hence a process.
function cruise(cwd: string): Report {
  const cruiser = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const output = execFileSync(process.execPath, [cruiser, 'src', '--config', configuration, '-T', 'json'], {
    cwd,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  return JSON.parse(output) as Report;
}

/** The rule, the file that breaks it (and no other rule), and the import that does. */
const plants: [rule: string, file: string, statement: string][] = [
  ['support-imports-nothing', 'src/support/p1.ts', "import 'node:crypto';"],
  ['support-imports-nothing', 'src/support/p2.ts', "import '../target';"],
  ['postgres-looks-down', 'src/postgres/p1.ts', "import '../target';"],
  ['auth-typeorm-in-infrastructure', 'src/auth/application/p8.ts', "import '../../postgres/target';"],
  ['guard-looks-down', 'src/guard/p1.ts', "import '../target';"],
  ['guard-looks-down', 'src/guard/nest/p1.ts', "import '../../target';"],
  ['guard-knows-no-nest', 'src/guard/p2.ts', "import type { Type } from '@nestjs/common';"],
  ['guard-knows-no-nest', 'src/guard/p4.ts', "import type { DataSource } from 'typeorm';"],
  ['guard-knows-no-nest', 'src/guard/p3.ts', "import './nest/target';"],
  ['resource-server-looks-down', 'src/resource-server/p1.ts', "import '../target';"],
  ['resource-server-installs-little', 'src/resource-server/p2.ts', "import 'pg';"],
  ['resource-server-knows-no-nest', 'src/resource-server/p3.ts', "import type { Type } from '@nestjs/common';"],
  ['resource-server-knows-no-nest', 'src/resource-server/p4.ts', "import '../guard/nest/target';"],
  ['two-doors-guard', 'src/audit/p5.ts', "import '../guard/target';"],
  ['two-doors-guard', 'src/p5.ts', "import './guard/nest/target';"],
  ['auth-options-looks-down', 'src/auth/options/p1.ts', "import '../ports/target';"],
  ['auth-rooms-stand-alone', 'src/auth/application/refresh/p1.ts', "import '../history/target';"],
  ['auth-rooms-stand-alone', 'src/auth/application/sessions/p1.ts', "import '../sign-in/target';"],
  ['auth-shared-files-know-no-room', 'src/auth/application/p6.ts', "import './sessions/target';"],
  ['auth-changes-are-recorded-in-one-place', 'src/auth/application/users/p1.ts', "import '../../ports/unit-of-work';"],
  ['auth-log-is-written-in-one-place', 'src/auth/application/users/p2.ts', "import '../../ports/auth-event.log';"],
  ['auth-use-cases-know-no-http', 'src/auth/application/p7.ts', "import '../../guard/nest/target';"],
  ['auth-http-looks-down', 'src/auth/http/p1.ts', "import '../infrastructure/target';"],
  ['auth-http-looks-down', 'src/auth/http/p2.ts', "import '../ports/target';"],
  ['auth-http-looks-down', 'src/auth/http/p3.ts', "import '../auth.module';"],
  ['auth-application-looks-down', 'src/auth/application/p1.ts', "import '../infrastructure/target';"],
  ['auth-application-looks-down', 'src/auth/application/p2.ts', "import '../http/target';"],
  ['auth-infrastructure-looks-down', 'src/auth/infrastructure/p1.ts', "import '../application/target';"],
  ['auth-infrastructure-looks-down', 'src/auth/infrastructure/p2.ts', "import '../http/target';"],
  ['auth-ports-looks-down', 'src/auth/ports/p1.ts', "import '../application/target';"],
  ['auth-ports-looks-down', 'src/auth/ports/p2.ts', "import '../infrastructure/target';"],
  ['auth-domain-is-plain', 'src/auth/domain/p1.ts', "import '../ports/target';"],
  ['auth-domain-is-plain', 'src/auth/domain/p2.ts', "import 'rxjs';"],
  ['auth-domain-is-plain', 'src/auth/domain/p3.ts', "import 'node:fs';"],
  ['auth-domain-is-plain', 'src/auth/domain/p4.ts', "import type { Type } from '@nestjs/common';"],
  ['auth-typeorm-in-infrastructure', 'src/auth/application/p3.ts', "import type { DataSource } from 'typeorm';"],
  ['auth-typeorm-in-infrastructure', 'src/auth/http/p4.ts', "import '@nestjs/typeorm';"],
  ['auth-typeorm-in-infrastructure', 'src/auth/ports/p3.ts', "import 'pg';"],
  [
    'auth-use-cases-know-no-http',
    'src/auth/application/p4.ts',
    "import type { OpenAPIObject } from '@nestjs/swagger';",
  ],
  [
    'auth-use-cases-know-no-http',
    'src/auth/application/p5.ts',
    "import type { ExpressAdapter } from '@nestjs/platform-express';",
  ],
  ['auth-use-cases-know-no-http', 'src/auth/ports/p4.ts', "import 'node:http';"],
  ['host-loads-late', 'src/auth/p2.ts', "import './http';"],
  ['host-loads-late', 'src/auth/p3.ts', "export { AuthController } from './http/auth.controller';"],
  ['host-loads-late', 'src/auth/p4.ts', "import '@nestjs/platform-express';"],
  ['host-loads-late', 'src/auth/infrastructure/p3.ts', "import './bcrypt/bcrypt-password-hasher';"],
  ['host-loads-late', 'src/auth/infrastructure/p4.ts', "import 'redis';"],
  ['host-loads-late', 'src/auth/http/p5.ts', "import '@nestjs/passport';"],
  ['host-loads-late', 'src/testing/p1.ts', "import 'bcrypt';"],
  ['decorators-wait', 'src/audit/p7.ts', "import '@nestjs/swagger';"],
  ['decorators-wait', 'src/auth/http/p6.ts', "import 'class-validator';"],
  ['auth-stands-alone', 'src/auth/p1.ts', "import '../target';"],
  ['users-know-the-door-only', 'src/users/p1.ts', "import '../target';"],
  ['two-doors-auth', 'src/audit/p4.ts', "import '../auth/domain/target';"],
  ['two-doors-auth', 'src/audit/p6.ts', "import '../auth/http/target';"],
  ['one-door-users', 'src/operations/p1.ts', "import '../users/target';"],
  ['console-imports-the-guard', 'src/console/p1.ts', "import '../auth/index';"],
  ['one-door-console', 'src/p6.ts', "import './console/target';"],
  ['one-door-findings', 'src/p7.ts', "import './findings/target';"],
  ['one-door-audit', 'src/p1.ts', "import './audit/target';"],
  ['one-door-auth/http/oauth', 'src/auth/http/p7.controller.ts', "import './oauth/target';"],
  ['one-door-operations', 'src/audit/p1.ts', "import '../operations/target';"],
  ['client-stands-alone', 'src/client/p1.mts', "import 'node:crypto';"],
  ['client-stands-alone', 'src/client/p2.mts', "import '../target.js';"],
  ['browser-imports-the-client', 'src/browser/p1.mts', "import '../client/answer.mjs';"],
  ['no-cycles', 'src/audit/p2.ts', "import './z-back-to-p2';"],
  ['src-stands-alone', 'src/p2.ts', "import '../test/target';"],
  ['resolvable', 'src/p3.ts', "import './nowhere';"],
  ['listed', 'src/p4.ts', "import 'fast-check';"],
];

const targets = [
  ...['http', 'application', 'infrastructure', 'ports', 'domain', 'options'].map(
    (layer) => `src/auth/${layer}/target.ts`,
  ),
  ...[
    'src/auth/http/oauth/target.ts',
    'src/auth/auth.module.ts',
    'src/users/target.ts',
    'src/audit/target.ts',
    'src/console/target.ts',
    'src/findings/target.ts',
    'src/operations/target.ts',
  ],
  ...['sessions', 'sign-in', 'history'].map((room) => `src/auth/application/${room}/target.ts`),
  ...['src/postgres/target.ts', 'src/guard/target.ts', 'src/guard/nest/target.ts', 'src/target.ts', 'test/target.ts'],
];

describe('the layer rules', () => {
  const planted = 'export const planted = true;\n';
  const folder = plantedTree(
    ['src', 'package.json', 'tsconfig.json'],
    [
      ...targets.map((target) => [target, planted] as const),
      ...plants.map(([, file, statement]) => [file, `${statement}\n${planted}`] as const),
      // A cycle is reported once, at the first of its files by name.
      ['src/audit/z-back-to-p2.ts', "export type { planted } from './p2';\n"],
    ],
  );
  const brokenBy = new Map<string, Set<string>>();
  let cruised = 0;

  beforeAll(() => {
    const { totalCruised, violations } = cruise(folder).summary;
    cruised = totalCruised;
    for (const { from, rule } of violations) {
      brokenBy.set(from, (brokenBy.get(from) ?? new Set()).add(rule.name));
    }
  });

  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it.each(plants)('%s is broken by %s: %s', (rule, file) => {
    expect([...(brokenBy.get(file) ?? [])]).toEqual([rule]);
  });

  it('look at every file: with a compiler that is set up wrongly they look at none, and are green', () => {
    expect(cruised).toBeGreaterThan(200);
  });

  it('have a plant each', () => {
    expect([...new Set(plants.map(([rule]) => rule))].sort()).toEqual(forbidden.map(({ name }) => name).sort());
  });

  it('are broken by nothing else', () => {
    expect([...brokenBy.keys()].sort()).toEqual(plants.map(([, file]) => file).sort());
  });
});
