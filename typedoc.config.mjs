import { readFileSync } from 'node:fs';

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));

// The entry points are the doors of the package.
const doors = Object.values(manifest.exports).filter(({ types }) => types !== undefined);

export default {
  name: manifest.name,
  entryPoints: doors.map(({ types }) => types.replace('./dist/', 'src/').replace('.d.', '.')),
  tsconfig: 'tsconfig.docs.json',
  // `npm run typecheck` reports type errors, with the settings of each part.
  skipErrorChecking: true,
  readme: 'none',
  disableSources: true,
  excludeInternal: true,
  excludePrivate: true,
  validation: { notExported: true, invalidLink: true, notDocumented: true },
  requiredToBeDocumented: ['Class', 'Interface', 'TypeAlias', 'Function', 'Variable'],
  // What no host names: constructors that Nest calls, and what the types of options are written with.
  intentionallyNotExported: ['OwnDatabase', 'BoundCookies', 'RefreshTokenKeyRing', 'FastifyReply', 'Needed', 'Given'],
  // Hooks that Nest calls, and methods of which the types of their options say everything.
  intentionallyNotDocumented: [
    ...['nest-ratchet.AuthModule', 'nest-ratchet/resource-server/nest.ResourceServerModule'].flatMap((module) =>
      ['forRoot', 'forRootAsync', 'onApplicationBootstrap', 'onApplicationShutdown'].map((name) => `${module}.${name}`),
    ),
    'nest-ratchet.RedisConnection.onModuleInit',
    'nest-ratchet.RedisConnection.onApplicationShutdown',
  ],
  treatWarningsAsErrors: true,
  out: 'artefacts/api',
};
