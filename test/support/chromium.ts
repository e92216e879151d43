import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const CHROMIUM = '/usr/bin/chromium';

/** `describe` where there is Chromium; elsewhere the tests are skipped by name, or in CI, where nothing is skipped, fail. */
export function describeInChromium(name: string, tests: () => void): void {
  if (existsSync(CHROMIUM)) {
    describe(name, tests);
  } else if (process.env.CI) {
    it(name, () => {
      throw new Error(`${CHROMIUM} is missing: apt-get install chromium fonts-liberation`);
    });
  } else {
    process.stderr.write(`SKIPPED: ${name}, because ${CHROMIUM} is missing (Debian package chromium)\n`);
    describe.skip(name, tests);
  }
}

/** No sandbox, since tests may run as root; and nothing that looks for hosts of its own. */
export const launchChromium = (...more: string[]): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...more,
    ],
  });
