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

const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

/** A module whose inside is reached from outside through its index.ts alone. */
const oneDoor = (module) =>
  rule(
    `one-door-${module}`,
    `From outside, ${module} is reached through its index.ts.`,
    { pathNot: `^src/${module}/` },
    { path: `^src/${module}/`, pathNot: `^src/${module}/index\\.ts$` },
  );

/** A layer of auth that sees, within src, itself and the layers below it. */
const layer = (name, ...below) =>
  rule(
    `auth-${name}-looks-down`,
    `${name} may import ${below.join(', ')}.`,
    { path: `^src/auth/${name}/` },
    { path: '^src/', pathNot: inAuth(`${name}/`, ...below) },
  );

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    layer('http', 'application/', 'domain/', 'ports/auth\\.options\\.ts$'),
    layer('application', 'ports/', 'domain/'),
    layer('infrastructure', 'ports/', 'domain/'),
    layer('ports', 'domain/'),
    rule(
      'auth-domain-is-plain',
      'The domain imports node:crypto and uuid, nothing else.',
      { path: '^src/auth/domain/' },
      { pathNot: [...inAuth('domain/'), '^(node:)?crypto$', ...packages('uuid')] },
    ),
    rule(
      'auth-typeorm-in-infrastructure',
      'In auth, TypeORM and its driver stop at infrastructure and the wiring.',
      { path: '^src/auth/', pathNot: inAuth('infrastructure/', 'auth\\.module\\.ts$') },
      { path: typeorm },
    ),
    rule(
      'auth-use-cases-know-no-http',
      'HTTP stops at auth/http.',
      { path: inAuth('application/', 'ports/') },
      { path: [...http, '^(node:)?https?$'] },
    ),
    rule(
      'auth-stands-alone',
      'The library asks, the application decides: auth imports nothing of the application.',
      { path: '^src/auth/' },
      { path: '^src/', pathNot: '^src/auth/' },
    ),
    rule(
      'users-know-auth-only',
      'Users stand for a host: they know the door of auth and nothing else of the application.',
      { path: '^src/users/' },
      { path: '^src/', pathNot: ['^src/users/', '^src/auth/index\\.ts$'] },
    ),
    ...['auth', 'users', 'audit', 'operations'].map(oneDoor),
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
      'What src imports is a dependency, not a development one. A peer may be both, so that the repository has it, too.',
      { path: '^src/' },
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
