import { existsSync } from 'node:fs';

/** `describe` for what needs a program of a Debian package: without it the specs are skipped by name, and in CI they fail. */
export const describeWith =
  (program: string, debianPackage: string) =>
  (name: string, specs: () => void): void => {
    const installed = existsSync(program);
    if (!installed && process.env.CI) {
      it(`has ${program}`, () => {
        throw new Error(`${program} is missing: apt-get install ${debianPackage}`);
      });
    } else if (!installed) {
      process.stderr.write(`SKIPPED: ${name}, because ${program} is missing (Debian package ${debianPackage})\n`);
    }
    (installed ? describe : describe.skip)(name, specs);
  };
