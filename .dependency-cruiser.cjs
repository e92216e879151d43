// The layer rules. test/architecture/boundaries.spec.ts plants one forbidden import per rule and expects its name,
// so a rule added here needs a plant there.
const inAuth = (...folders) => folders.map((folder) => `^src/auth/${folder}`);
const packages = (...names) => names.map((name) => `(^|/)node_modules/${name}/`);

const typeorm = packages('typeorm', '@nestjs/typeorm', 'pg');
const http = packages(
  'fastify',
  '@fastify/.+',
  'express',
  '@nestjs/platform-.+',
  '@nestjs/swagger',
  '@nestjs/passport',
  'passport',
  'passport-.+',
);

/** The parts that are no library: hosts have their own. */
const application = [
  '^src/(app\\.module|bootstrap|config|kept-keys|logging|main|new-keys|readings)\\.ts$',
  '^src/(audit|cli|database|findings|operations|users)/',
];

/** What of auth/http is loaded when it is mounted: it documents itself, or is for hosts with Passport. */
const late = [
  '^src/auth/http/(index|controllers|access-token\\.strategy)\\.ts$',
  '^src/auth/http/oauth/',
  '^src/auth/http/.*\\.(controller|dto)\\.ts$',
  '^src/auth/http/kit/(api-problems|swagger)\\.ts$',
  '^src/auth/infrastructure/bcrypt/',
];

const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

/** A module whose inside is reached from outside through its index.ts alone. */
const oneDoor = (module, door = 'index') =>
  rule(
    `one-door-${module}`,
    `From outside, ${module} is reached through its index.ts.`,
    { pathNot: `^src/${module}/` },
    { path: `^src/${module}/`, pathNot: `^src/${module}/${door}\\.ts$` },
  );

/** A layer of auth that sees, within src, itself, the layers below it, and what is below auth. */
const layer = (name, ...below) =>
  rule(
    `auth-${name}-looks-down`,
    `${name} may import ${below.join(', ')}.`,
    { path: `^src/auth/${name}/` },
    { path: '^src/', pathNot: [...inAuth(`${name}/`, ...below), '^src/guard/', '^src/support/', '^src/postgres/'] },
  );

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    rule(
      'support-imports-nothing',
      "Below everything, with no rules of its own. One file asks for Nest's version.",
      { path: '^src/support/' },
      { pathNot: ['^src/support/', 'node_modules/@nestjs/common/package\\.json$'] },
    ),
    rule(
      'postgres-looks-down',
      'How a process talks to PostgreSQL is below auth: it imports support and itself.',
      { path: '^src/postgres/' },
      { path: '^src/', pathNot: ['^src/postgres/', '^src/support/'] },
    ),
    rule(
      'guard-looks-down',
      'The guard is below auth: it imports support and itself.',
      { path: '^src/guard/' },
      { path: '^src/', pathNot: ['^src/guard/', '^src/support/'] },
    ),
    rule(
      'guard-knows-no-nest',
      'Nest, and with it HTTP, stops at guard/nest; a service without a database has the guard, too.',
      { path: '^src/guard/', pathNot: '^src/guard/nest/' },
      { path: ['^src/guard/nest/', ...packages('@nestjs/.+', 'bcrypt', 'redis'), ...typeorm, ...http] },
    ),
    rule(
      'resource-server-looks-down',
      'A service without a database imports the guard, support and itself.',
      { path: '^src/resource-server/' },
      { path: '^src/', pathNot: ['^src/resource-server/', '^src/guard/', '^src/support/'] },
    ),
    rule(
      'resource-server-installs-little',
      'Nest stops at resource-server/nest.ts, and what only auth needs is not there.',
      { path: '^src/resource-server/' },
      { path: [...typeorm, ...packages('bcrypt', 'redis'), ...http] },
    ),
    rule(
      'resource-server-knows-no-nest',
      'Plain Node, Bun and Deno have no Nest.',
      { path: '^src/resource-server/', pathNot: '^src/resource-server/nest\\.ts$' },
      { path: ['^src/guard/nest/', ...packages('@nestjs/.+')] },
    ),
    rule(
      'two-doors-guard',
      'From outside of auth and of resource-server, the guard is reached through its index.ts and the one of guard/nest.',
      { pathNot: ['^src/guard/', '^src/auth/', '^src/resource-server/'] },
      { path: '^src/guard/', pathNot: '^src/guard/(nest/)?index\\.ts$' },
    ),
    layer('http', 'application/', 'domain/', 'options/'),
    layer('application', 'ports/', 'domain/', 'options/'),
    layer('infrastructure', 'ports/', 'domain/', 'options/'),
    layer('ports', 'domain/', 'options/'),
    layer('options', 'domain/'),
    rule(
      'auth-domain-is-plain',
      'The domain imports what is below auth, node:crypto and uuid, nothing else.',
      { path: '^src/auth/domain/' },
      { pathNot: [...inAuth('domain/'), '^src/(guard|support)/', '^(node:)?crypto$', ...packages('uuid')] },
    ),
    rule(
      'auth-rooms-stand-alone',
      'A room of application imports the shared files, sessions and versions, and no other room.',
      { path: '^src/auth/application/([^/]+)/' },
      {
        path: '^src/auth/application/[^/]+/',
        pathNot: ['^src/auth/application/$1/', '^src/auth/application/(sessions|versions)/'],
      },
    ),
    rule(
      'auth-shared-files-know-no-room',
      'What the rooms of application share imports none of them.',
      { path: '^src/auth/application/[^/]+\\.ts$' },
      { path: '^src/auth/application/[^/]+/' },
    ),
    rule(
      'auth-changes-are-recorded-in-one-place',
      'A change and its records commit in RecordedChange: no other use case sees the unit of work. The marker of ended sessions waits for its commit.',
      {
        path: '^src/auth/application/',
        pathNot: inAuth('application/recorded-change\\.ts$', 'application/sessions/ended-sessions\\.marker\\.ts$'),
      },
      { path: '^src/auth/ports/unit-of-work\\.ts$' },
    ),
    rule(
      'auth-log-is-written-in-one-place',
      'RecordedChange writes the event log, the history reads it, the clean-up drops what is old.',
      {
        path: '^src/auth/application/',
        pathNot: inAuth(
          'application/recorded-change\\.ts$',
          'application/history/',
          'application/sessions/clean-up-sessions\\.handler\\.ts$',
        ),
      },
      { path: '^src/auth/ports/auth-event\\.log\\.ts$' },
    ),
    rule(
      'auth-typeorm-in-infrastructure',
      'In auth, TypeORM and its driver, and what uses them, stop at infrastructure and the wiring.',
      { path: '^src/auth/', pathNot: inAuth('infrastructure/', 'auth\\.module\\.ts$') },
      { path: [...typeorm, '^src/postgres/'] },
    ),
    rule(
      'auth-use-cases-know-no-http',
      'HTTP stops at auth/http.',
      { path: inAuth('application/', 'ports/', 'options/', 'domain/') },
      { path: [...http, '^(node:)?https?$', '^src/guard/nest/'] },
    ),
    rule(
      'host-loads-late',
      'What the doors of the package load needs none of the packages that only some hosts install: those are required where they are used.',
      { path: '^src/(index\\.ts$|(auth|console|guard|postgres|support|testing)/)', pathNot: late },
      {
        path: [...late, ...http, ...packages('bcrypt', 'redis')],
        dependencyTypesNot: ['require', 'type-import', 'type-only'],
      },
    ),
    rule(
      'decorators-wait',
      'These packages are a tenth of a second of a start each: they are required when they are used, and their decorators wait in auth/http/kit.',
      { path: '^src/' },
      {
        path: packages('@nestjs/swagger', 'class-validator', 'class-transformer'),
        dependencyTypesNot: ['require', 'type-import', 'type-only'],
      },
    ),
    rule(
      'auth-stands-alone',
      'The library asks, the application decides: auth imports what is below it, and nothing of the application.',
      { path: '^src/auth/' },
      { path: '^src/', pathNot: ['^src/auth/', '^src/guard/', '^src/postgres/', '^src/support/'] },
    ),
    rule(
      'users-know-the-door-only',
      'Users stand for a host: they know the door of the package, and what documents routes.',
      { path: '^src/users/' },
      { path: '^src/', pathNot: ['^src/users/', '^src/index\\.ts$', '^src/auth/http/index\\.ts$'] },
    ),
    rule(
      'two-doors-auth',
      "From outside, auth is reached through its index.ts, and by Ratchet's own application through the one of auth/http.",
      { pathNot: '^src/auth/' },
      { path: '^src/auth/', pathNot: '^src/auth/(http/)?index\\.ts$' },
    ),
    ...['audit', 'console', 'findings', 'operations', 'auth/http/oauth'].map((module) => oneDoor(module)),
    rule(
      'console-imports-the-guard',
      'The console serves files: its data are public routes. It imports the doors of the guard and itself.',
      { path: '^src/console/' },
      { path: '^src/', pathNot: ['^src/console/', '^src/guard/(nest/)?index\\.ts$'] },
    ),
    // What an e-mail is, the configuration asks as well, and must not load the routes of users for it.
    oneDoor('users', '(index|email)'),
    rule(
      'client-stands-alone',
      'The client runs in any JavaScript runtime: it imports itself.',
      { path: '^src/client/' },
      { pathNot: '^src/client/' },
    ),
    rule(
      'browser-imports-the-client',
      'The browser has defaults for the client, and nothing else.',
      { path: '^src/browser/' },
      { pathNot: ['^src/browser/', '^src/client/index\\.mts$'] },
    ),
    rule('no-cycles', 'Read downhill, never back.', {}, { circular: true }),
    rule(
      'src-stands-alone',
      'What ships imports nothing that does not.',
      { path: '^src/' },
      { path: '^(test|bench|scripts)/' },
    ),
    rule('resolvable', 'An import leads somewhere.', {}, { couldNotResolve: true }),
    rule(
      'listed',
      'What a host loads is a dependency or a peer. The application, which hosts do not load, has development ones as well.',
      { path: '^src/', pathNot: application },
      {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
        dependencyTypesNot: ['npm-peer'],
      },
    ),
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    // Type-only imports count: a layer that knows another's types knows the layer.
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      mainFields: ['main', 'types'],
    },
  },
};
