// A service without a database in a process of its own, of the build: it answers a bearer token with 200, 401 or 503.
const { createServer } = require('node:http');
const { join } = require('node:path');

const [dist, json] = process.argv.slice(2);
const { completeResourceServerOptions } = require(join(dist, 'resource-server/options.js'));
const { RatchetVerifier } = require(join(dist, 'resource-server/verifier.js'));
const { maxStalenessSeconds, ...options } = JSON.parse(json);
// A shorter patience than options can have, so that the tests need less.
const settings = { ...completeResourceServerOptions(options), maxStalenessSeconds };
const log = (message) => process.stderr.write(`${message}\n`);
const verifier = new RatchetVerifier(settings, { log, warn: log });

async function statusOf({ headers }) {
  try {
    return (await verifier.verify((headers.authorization ?? '').replace('Bearer ', ''))) === null ? 401 : 200;
  } catch (error) {
    return error.retryAfterSeconds === undefined ? 500 : 503;
  }
}

const server = createServer((request, response) => {
  void statusOf(request).then((status) => {
    response.statusCode = status;
    response.end();
  });
});
void verifier.start().then(() => {
  server.listen(0, '127.0.0.1', () => process.stdout.write(`Listening at http://127.0.0.1:${server.address().port}\n`));
});
process.on('SIGTERM', () => void verifier.stop().then(() => process.exit(0)));
