import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { argv, cwd, exit } from 'node:process';

// Counts what .ci/run did: the tests of every report, and one failure at least for each command that failed. Names what is
// red once more, since a log of an hour is long.
// Its arguments are the commands that failed.

const failedCommands = argv.slice(2);
const reports = existsSync('reports') ? readdirSync('reports') : [];
const read = (name) => JSON.parse(readFileSync(`reports/${name}`, 'utf8'));

let passed = 0;
let failed = 0;
for (const report of reports.filter((name) => /^jest.*\.json$/.test(name)).map(read)) {
  passed += report.numPassedTests;
  // A suite that does not load holds no tests.
  failed += report.numFailedTests + report.numRuntimeErrorTestSuites;
  for (const { name, status, assertionResults } of report.testResults ?? []) {
    const red = assertionResults.filter((test) => test.status === 'failed').map(({ fullName }) => fullName);
    if (red.length === 0 && status === 'failed') red.push('it does not load');
    for (const test of red) console.error(`${relative(cwd(), name)}: ${test}`);
  }
}
failed = Math.max(failed, failedCommands.length);

for (const command of failedCommands) console.error(`Failed: ${command}`);
console.log(`${passed} passed, ${failed} failed`);
exit(failed === 0 ? 0 : 1);
