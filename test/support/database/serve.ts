import { startTestServer } from './test-server';

// A server for several runs of jest, one after the other: tells its URL, and ends with its caller.
void startTestServer().then(({ url, stop }) => {
  process.stdout.write(`${url}\n`);
  process.stdin.resume().on('end', () => void stop());
});
