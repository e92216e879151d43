/** The version of each package that goes with Nest 11, and with Nest 12. */
const VERSIONS = {
  '@nestjs/common': ['11', '12'],
  '@nestjs/core': ['11', '12'],
  '@nestjs/cqrs': ['11', '12'],
  '@nestjs/event-emitter': ['3', '12'],
  '@nestjs/jwt': ['11', '12'],
  '@nestjs/passport': ['11', '12'],
  '@nestjs/swagger': ['11', '12'],
  bcrypt: ['6', '6'],
  'class-transformer': ['0.5', '0.5'],
  'class-validator': ['0.14', '0.15'],
  passport: ['0.7', '0.7'],
  'passport-custom': ['1', '1'],
  pg: ['8', '8'],
  // TypeORM, of which it is an optional peer as well, accepts 6 from 1.1 on only.
  redis: ['5', '5'],
  typeorm: ['0.3', '1'],
} as const;

export type Package = keyof typeof VERSIONS;

/** The command that installs `packages` beside the Nest that is there; beside Nest 12 where there is none. */
export function installLine(packages: readonly Package[]): string {
  const column = nestMajor() === '11' ? 0 : 1;
  return `npm install ${packages.map((name) => `${name}@${VERSIONS[name][column]}`).join(' ')}`;
}

function nestMajor(): string | undefined {
  try {
    return (require('@nestjs/common/package.json') as { version: string }).version.split('.')[0];
  } catch {
    return undefined;
  }
}

/** Which of the packages above `error` says is not there; undefined for any other error. */
export function missingIn(error: unknown): Package | undefined {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== 'MODULE_NOT_FOUND') return undefined;
  // The first line: those below it name the files that asked.
  const [first = ''] = message.split('\n');
  return (Object.keys(VERSIONS) as Package[]).find((name) => first.includes(`'${name}'`));
}

/**
 * What `load` returns, which requires a package that only some hosts install.
 * @throws Error when the package is missing: what needs it, and how to install it
 */
export function loaded<T>(need: string, load: () => T): T {
  try {
    return load();
  } catch (error) {
    const name = missingIn(error);
    if (name === undefined) throw error;
    throw new Error(`nest-ratchet: ${need} needs ${name}, which is not installed: ${installLine([name])}`, {
      cause: error,
    });
  }
}
