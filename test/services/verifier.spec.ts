import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { calculateJwkThumbprint } from 'jose';
import { v7 as uuidv7 } from 'uuid';
import { accessTokenHashOf } from '../../src/guard/dpop';
import { ratchetVerifier } from '../../src/resource-server';
import { HttpRevocationFeed } from '../../src/resource-server/http-revocation.feed';
import { completeResourceServerOptions } from '../../src/resource-server/options';
import { RatchetVerifier } from '../../src/resource-server/verifier';
import { Device } from '../support/dpop';
import { gate } from '../support/gate';
import { until } from '../support/until';
import { ANSWER, FakeFeed, signerOf, statusOf, token } from './support/fake-feed';
import { ISSUER, SERVICE } from './support/services';

const quiet = { log: () => undefined, warn: () => undefined };

const closers: (() => Promise<void>)[] = [];
afterAll(() => Promise.all(closers.map((close) => close())));

/** A feed of its own, and its services: most tests wait for a poll or a bound, so they wait side by side. */
async function scene() {
  const feed = await FakeFeed.start();
  const verifiers: RatchetVerifier[] = [];
  closers.push(async () => {
    await Promise.all(verifiers.map((verifier) => verifier.stop()));
    await feed.close();
  });
  const verifierOf = (maxStalenessSeconds?: number): RatchetVerifier => {
    const verifier = new RatchetVerifier(feed.settings(maxStalenessSeconds), quiet);
    verifiers.push(verifier);
    return verifier;
  };
  const started = async (maxStalenessSeconds?: number): Promise<RatchetVerifier> => {
    const verifier = verifierOf(maxStalenessSeconds);
    await verifier.start();
    return verifier;
  };
  return { feed, verifierOf, started };
}

/** Changes, after a snapshot; the poll waits, as long as there are none. */
const changes = (cursor: string, more: object) => ({ cursor, snapshot: null, ...more });
const held = () => new Promise<never>(() => undefined);
const now = () => new Date().toISOString();

it.concurrent('A verifier without a database accepts a genuine token, and nothing of it does any I/O', async () => {
  const { feed, started } = await scene();
  feed.behave = ({ size }) => (size === 1 ? {} : held());
  const verifier = await started();
  const good = await token(feed.signer);
  const principal = verifier.verify(good);
  expect(principal).toMatchObject({ roles: ['user'] });
  const before = [feed.polls.length, feed.looks];
  for (let i = 0; i < 1000; i++) expect(verifier.verify(i % 2 === 0 ? good : await token(feed.signer))).not.toBeNull();
  expect([feed.polls.length - before[0]!, feed.looks - before[1]!]).toEqual([expect.any(Number), 0]);
  expect(feed.polls.length - before[0]!).toBeLessThanOrEqual(1); // the poll that waits
});

// Seen red with a verifier that drops the claim.
it.concurrent(
  'A verifier without a database accepts a bound token with a proof by its key for the request, each proof once',
  async () => {
    const { feed, started } = await scene();
    const verifier = await started();
    const device = new Device();
    const url = 'https://orders.example/orders';
    const jkt = await calculateJwkThumbprint(device.jwk);
    const bound = await token(feed.signer, { jkt });
    const claims = { htm: 'GET', ath: accessTokenHashOf(bound) };
    const proof = { jwt: device.proof(url, undefined, { claims }), method: 'GET', urls: [url] };
    expect(verifier.verify(bound)).toBeNull();
    expect(verifier.verify(bound, { ...proof, urls: ['https://orders.example/other'] })).toBeNull();
    expect(verifier.verify(bound, { ...proof, jwt: new Device().proof(url, undefined, { claims }) })).toBeNull();
    expect(verifier.verify(bound, proof)).toMatchObject({ jkt });
    expect(verifier.verify(bound, proof)).toBeNull();
    expect(verifier.verify(bound)).toBeNull();
    expect(verifier.verify(await token(feed.signer), proof)).toBeNull();
  },
);

it.concurrent.each([
  ['another key', async () => token(signerOf('k1'))],
  ['junk', async () => 'junk'],
  ['a life that is over', async ({ signer }: FakeFeed) => token(signer, { exp: 1 })],
  [
    'an iat from which the lifetime is over, whatever exp says',
    async ({ signer }: FakeFeed) => token(signer, { iat: Math.floor(Date.now() / 1000) - 901 }),
  ],
])('A verifier without a database refuses %s', async (_, given) => {
  const { feed, started } = await scene();
  const verifier = await started();
  expect(await statusOf(verifier, await given(feed))).toBe(401);
});

it.concurrent('A verifier without a database is 503 before the first answer, and right after it', async () => {
  const { feed, verifierOf } = await scene();
  const { opened, open } = gate();
  feed.behave = async () => (await opened, {});
  const verifier = verifierOf();
  const start = verifier.start();
  expect(await statusOf(verifier, await token(feed.signer))).toBe(503);
  open();
  await start;
  expect(await statusOf(verifier, await token(feed.signer))).toBe(200);
});

it.concurrent('A verifier without a database refuses what the feed has revoked, at once', async () => {
  const { feed, started } = await scene();
  const session = uuidv7();
  const { opened, open } = gate();
  feed.behave = async (query) => {
    if (!query.has('after')) return {};
    if (query.get('after') !== ANSWER.cursor) return held();
    await opened;
    return changes('a.2.0.1', { revocations: [{ kind: 'session', subject: session, at: now() }] });
  };
  const verifier = await started();
  const ended = await token(feed.signer, { sessionId: session });
  expect(await statusOf(verifier, ended)).toBe(200);
  open();
  await until(async () => (await statusOf(verifier, ended)) === 401);
  await until(() => feed.polls.at(-1)!.get('after') === 'a.2.0.1');
  expect(feed.polls.at(-1)!.get('wait')).toBe('10'); // a third of 30 s
});

it.concurrent('A verifier without a database reads every page of a snapshot before it decides', async () => {
  const { feed, started } = await scene();
  const session = uuidv7();
  feed.behave = (query) => {
    if (!query.has('after')) return { cursor: 'p2', snapshot: { page: 1, pages: 2 } };
    if (query.get('after') === 'p2')
      return {
        snapshot: { page: 2, pages: 2 },
        revocations: [{ kind: 'user', subject: session, minVersion: 2, at: now() }],
      };
    return held();
  };
  const verifier = await started();
  expect(await statusOf(verifier, await token(feed.signer, { userId: session }))).toBe(401);
  expect(await statusOf(verifier, await token(feed.signer))).toBe(200);
});

it.concurrent('A verifier without a database takes a compressed answer', async () => {
  const { feed, started } = await scene();
  feed.behave = (_, response) => {
    response.setHeader('Content-Encoding', 'gzip');
    response.end(gzipSync(JSON.stringify({ ...ANSWER, now: now() })));
  };
  expect(await statusOf(await started(), await token(feed.signer))).toBe(200);
});

it.concurrent(
  'A verifier without a database goes on after a failure where it was, without another snapshot',
  async () => {
    const { feed, started } = await scene();
    let failures = 0;
    feed.behave = (query, response) => {
      if (!query.has('after')) return {};
      if (failures++ < 2) {
        response.statusCode = 503;
        return response.end();
      }
      return changes(ANSWER.cursor, {});
    };
    const verifier = await started();
    await until(() => feed.polls.length >= 5);
    expect(feed.polls.filter((query) => !query.has('after'))).toHaveLength(1);
    expect(await statusOf(verifier, await token(feed.signer))).toBe(200);
  },
);

const CUTS: readonly [string, (response: any) => void][] = [
  ['cut', (response) => response.destroy()],
  ['answered 504', (response) => ((response.statusCode = 504), response.end())],
];
/** By the staleness that is accepted, so that no service has to go the whole way. */
const WAITS: readonly [number, string[]][] = [
  [60, ['20', '10', '5']],
  [30, ['10', '5', '2']],
  [6, ['2', '1', '1', '1']],
];
it.concurrent.each(
  CUTS.flatMap(([how, cut]) => WAITS.map(([staleness, expected]) => [how, staleness, expected, cut] as const)),
)(
  'When polls are cut, the next ones wait half as long when they are %s, down to a second, for good, from a third of %s s',
  async (_, staleness, expected, cut) => {
    const { feed, started } = await scene();
    feed.behave = async (query, response) => {
      if (query.get('wait') === '0') return query.has('after') ? changes(ANSWER.cursor, {}) : {};
      await delay(Math.min(Number(query.get('wait')) * 1000, 1050));
      if (query.get('wait') === '1') return changes(ANSWER.cursor, {});
      cut(response);
      return undefined;
    };
    await started(staleness);
    const waits = () => feed.polls.map((query) => query.get('wait')).filter((wait) => wait !== '0');
    await until(() => waits().length >= expected.length);
    expect(waits().slice(0, expected.length)).toEqual(expected);
  },
);

it.concurrent('When polls are cut, the next ones wait as long as ever when a server was not there at all', async () => {
  const { feed, started } = await scene();
  let isDown = false;
  feed.behave = (query, response) => {
    if (!query.has('after')) return {};
    if (isDown) return void response.destroy();
    return query.get('wait') === '0' ? changes(ANSWER.cursor, {}) : held();
  };
  isDown = true;
  await started(60);
  await until(() => feed.polls.length >= 4);
  isDown = false;
  await until(() => feed.polls.at(-1)!.get('wait') === '20');
});

/** After one right answer. */
const then = (feed: FakeFeed, lie: (query: URLSearchParams, response: any) => unknown) => {
  let answers = 0;
  feed.behave = (query, response) => (answers++ === 0 ? {} : lie(query, response));
};

it.concurrent('A feed that lies lowers no policy', async () => {
  const { feed, started } = await scene();
  let version = 2;
  feed.behave = (query) => (query.has('after') ? changes('a.2.0.1', {}) : {});
  const behave = feed.behave;
  feed.behave = (...given) => ({
    ...(behave(...given) as object),
    policy: { ...ANSWER.policy, version: version-- || 1 },
  });
  const verifier = await started();
  const old = await token(feed.signer, { gv: 1 });
  expect(await statusOf(verifier, old)).toBe(401);
  await until(() => feed.polls.length >= 3);
  expect(await statusOf(verifier, old)).toBe(401);
  expect(await statusOf(verifier, await token(feed.signer, { gv: 2 }))).toBe(200);
});

// Seen red with the clock of the last answer: a delayed or older one let a token live again.
it.concurrent('A feed that lies turns no clock back by an answer of an older one', async () => {
  const { feed, started } = await scene();
  const verifier = await started();
  // A slow first answer leaves the verifier's clock behind, by at most the time that it took.
  const over = await token(feed.signer, { exp: Math.floor(Date.now() / 1000) - 5 });
  expect(await statusOf(verifier, over)).toBe(401);
  feed.clockMs = -3_600_000;
  await until(() => feed.polls.length >= 4);
  expect(await statusOf(verifier, over)).toBe(401);
});

it.concurrent.each<[string, (query: URLSearchParams, response: any) => unknown]>([
  ['is about another issuer', () => ({ issuer: 'https://evil.example' })],
  ['says nothing', held],
  ['breaks off', (_, response) => (response.write('{"cursor":"a'), response.destroy())],
  ['is no JSON', (_, response) => response.end('<html>')],
  ['is JSON of something else', (_, response) => response.end('[]')],
  ['never ends', (_, response) => response.write('{"cursor":"')],
  ['has a subject of another type', () => ({ revocations: [{ kind: 'session', subject: 1, at: now() }] })],
  ['has no policy', () => ({ policy: null })],
  ['has a version of another type', () => ({ policy: { version: '1', mode: 'immediate', graceEndsAt: null } })],
  ['has a time that is none', () => ({ now: 'soon' })],
  ['has a lifetime of years', () => ({ accessTokenTtl: 1e9 })],
  ['has pages without end', () => ({ snapshot: { page: 1, pages: 9 } })],
  ['refuses the credentials', (_, response) => ((response.statusCode = 401), response.end())],
  ['leads elsewhere', (_, response) => (response.writeHead(302, { Location: '/jwks.json' }), response.end())],
])(
  'A feed that lies or %s: 503 after the bound, never "allowed" for longer, and right again after it',
  async (_, lie) => {
    const { feed, started } = await scene();
    then(feed, lie);
    const verifier = await started(3);
    const good = await token(feed.signer);
    expect(await statusOf(verifier, good)).toBe(200);
    await until(async () => (await statusOf(verifier, good)) === 503);
    feed.behave = () => ({});
    await until(async () => (await statusOf(verifier, good)) === 200);
  },
);

it.concurrent('A feed that lies or sends more than anybody would hold: it is not read to the end', async () => {
  const { feed, started } = await scene();
  const megabyte = Buffer.alloc(1024 * 1024, 'x');
  let sent = 0;
  then(feed, (_, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write(megabyte)) sent++;
      if (!response.destroyed) response.once('drain', more);
    };
    more();
  });
  const verifier = await started(3);
  await until(async () => (await statusOf(verifier, await token(feed.signer))) === 503);
  expect(sent).toBeLessThan(400);
  feed.behave = () => ({});
});

// Seen red with the time of the answer: a poll that had waited was younger than what it said.
it.concurrent('A feed that lies ages from the asking', async () => {
  const { feed, started } = await scene();
  feed.behave = async (query) => {
    if (!query.has('after')) return {};
    if (feed.polls.length > 2) return held();
    await delay(2500);
    return changes('a.2.0.1', {});
  };
  const verifier = await started(9);
  await until(() => feed.polls.length > 2);
  expect(verifier.view.stalenessSeconds).toBeGreaterThan(2.4);
});

it.concurrent('A feed that lies or lengthens the life of tokens: everything is read again', async () => {
  const { feed, started } = await scene();
  feed.behave = (query) => (query.has('after') ? changes('a.2.0.1', { accessTokenTtl: 3600 }) : {});
  const verifier = await started();
  await until(() => feed.polls.filter((query) => !query.has('after')).length === 2);
  await until(async () => (await statusOf(verifier, await token(feed.signer))) === 200);
});

// Seen red without a gap between two looks: each token with an unknown `kid` makes the service ask for keys.
it.concurrent('The public keys are looked for once when a token names an unknown one, however many do', async () => {
  const { feed, started } = await scene();
  const verifier = await started();
  expect(feed.looks).toBe(1);
  const strangers = await Promise.all(Array.from({ length: 50 }, (_, at) => token(signerOf(`stranger-${at}`))));
  const statuses = await Promise.all(strangers.map((one) => statusOf(verifier, one)));
  expect(new Set(statuses)).toEqual(new Set([401]));
  expect(feed.looks).toBe(1); // the look of the start is young enough
});

it.concurrent('The public keys that are new are found with one look, which all wait for', async () => {
  const { feed, started } = await scene();
  feed.jwks = () => null;
  const verifier = await started();
  const good = await token(feed.signer);
  expect(await statusOf(verifier, good)).toBe(503);
  feed.jwks = () => ({ keys: feed.signer.publicJwks() });
  await delay(1000); // between two looks that fail
  const before = feed.looks;
  const statuses = await Promise.all(Array.from({ length: 20 }, () => statusOf(verifier, good)));
  expect(new Set(statuses)).toEqual(new Set([200]));
  expect(feed.looks - before).toBe(1);
});

it.concurrent('The public keys that are withdrawn verify nothing any more, also of tokens that were seen', async () => {
  const { feed, started } = await scene();
  const verifier = await started();
  const good = await token(feed.signer);
  expect(await statusOf(verifier, good)).toBe(200);
  feed.jwks = () => ({ keys: signerOf('k2').publicJwks() });
  const { keys } = verifier as unknown as { keys: { read(): Promise<void> } };
  await keys.read();
  expect(await statusOf(verifier, good)).toBe(401);
});

it.concurrent.each([
  ['no set', () => ({})],
  ['more than 256 KiB', () => ({ keys: ['x'.repeat(300_000)] })],
  ['too many', () => ({ keys: Array.from({ length: 101 }, () => ({})) })],
])('The public keys are not taken from %s', async (_, jwks) => {
  const { feed, started } = await scene();
  feed.jwks = jwks;
  expect(await statusOf(await started(), await token(feed.signer))).toBe(503);
});

it.concurrent('The public keys skip what is no key for access tokens, such as a secret', async () => {
  const { feed, started } = await scene();
  feed.jwks = () => ({ keys: [{ kty: 'oct', k: 'AAAA', kid: 'k0' }, null, {}, ...feed.signer.publicJwks()] });
  expect(await statusOf(await started(), await token(feed.signer))).toBe(200);
});

it.concurrent('The end of a service does not wait for the poll that waits', async () => {
  const { feed, started } = await scene();
  feed.behave = (query) => (query.has('after') ? held() : {});
  const verifier = await started();
  await until(() => feed.polls.length >= 2);
  await verifier.stop();
});

describe('The options of a service', () => {
  const feedOptions = { url: 'https://auth.example/auth/revocations', ...SERVICE };
  const good = { issuer: ISSUER, audience: 'orders', feed: feedOptions };

  it('need nothing else', () => {
    expect(() => ratchetVerifier(good)).not.toThrow();
    expect(new HttpRevocationFeed(completeResourceServerOptions(good))).toBeDefined();
  });

  it.each<[string, object, RegExp]>([
    ['keys over plain http', { jwksUrl: 'http://auth.example/jwks' }, /jwksUrl must be an https URL/],
    [
      'a feed over plain http',
      { feed: { ...feedOptions, url: 'http://auth.example' } },
      /feed.url must be an https URL/,
    ],
    ['an issuer that is no URL', { issuer: 'ratchet' }, /without one, the issuer must be such a URL/],
    ['an origin with a path', { publicOrigin: 'https://orders.example/' }, /publicOrigin must be an https origin/],
    ['less than 30 seconds', { maxStaleness: '29s' }, /maxStaleness must be a duration from 30s to 1h/],
    ['no feed', { feed: undefined }, /feed.url .*\n.*jwksUrl|feed.name/],
    ['no secret', { feed: { ...feedOptions, secret: '' } }, /feed.secret must be a non-empty string/],
  ])('are refused with %s', (_, wrong, message) => {
    expect(() => ratchetVerifier({ ...good, ...wrong })).toThrow(message);
  });

  it('are refused without any of their values', () => {
    const wrong = { ...good, feed: { ...feedOptions, url: 'ftp://my-secret' }, maxStaleness: 'my-secret' };
    expect(() => ratchetVerifier(wrong)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('my-secret') }),
    );
  });
});
