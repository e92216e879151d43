import { Connection, type HttpAnswer } from './http-client';
import { isRenewal, type Job, type JobResult } from './jobs';
import { proofs } from './proofs';
import { type FirstToken, plainToken, ratchetToken, USER_AGENT } from './sessions';

/**
 * The load generator: a process of its own, so that it can neither slow down nor flatter what it measures. It keeps the
 * tokens of every target between jobs, since a chain goes on where the last job ended.
 */

interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers: string;
  readonly body?: string;
  readonly expected: number;
  readonly accepts?: (answer: HttpAnswer) => boolean;
  readonly took?: (answer: HttpAnswer) => void;
}

const JSON_HEADERS = `Content-Type: application/json\r\nAccept: application/json\r\nUser-Agent: ${USER_AGENT}\r\n`;
const FORM_HEADERS = `Content-Type: application/x-www-form-urlencoded\r\nAccept: application/json\r\nUser-Agent: ${USER_AGENT}\r\n`;
const GET_HEADERS = `Accept: application/json\r\nUser-Agent: ${USER_AGENT}\r\n`;

/** A prime, so that steps of it visit all of any share that is no multiple of it. */
const STRIDE = 7919;

const chains = new Map<string, Map<number, string>>();

/** What a client sends next. */
function requestsOf({ workload, target, clients }: Job, client: number): () => Request {
  const chain = chains.get(target) ?? new Map<number, string>();
  chains.set(target, chain);
  switch (workload.kind) {
    case 'refresh': {
      const first = workload.root === undefined ? plainToken : ratchetToken(workload.root);
      const prove = workload.device === undefined ? () => '' : proofs(workload.device, workload.root);
      return refreshes(chain, first, share(workload.sessions, client, clients), prove);
    }
    case 'login': {
      const { emails, password } = workload;
      const body = JSON.stringify({ email: emails[client % emails.length], password });
      return () => ({ method: 'POST', path: '/auth/login', headers: JSON_HEADERS, body, expected: 200 });
    }
    case 'junk': {
      const body = JSON.stringify({ refreshToken: workload.token });
      return () => ({ method: 'POST', path: '/auth/refresh', headers: JSON_HEADERS, body, expected: 401 });
    }
    case 'get': {
      const { path, bearers, device } = workload;
      if (bearers === undefined) return () => ({ method: 'GET', path, headers: GET_HEADERS, expected: 200 });
      let next = Math.floor((client / clients) * bearers.length);
      if (device !== undefined) {
        const prove = proofs(device);
        return () => {
          const token = bearers[next++ % bearers.length] ?? '';
          const headers = `${GET_HEADERS}Authorization: DPoP ${token}\r\n${prove('GET', path, token)}`;
          return { method: 'GET', path, headers, expected: 200 };
        };
      }
      const headers = bearers.map((token) => `${GET_HEADERS}Authorization: Bearer ${token}\r\n`);
      return () => ({ method: 'GET', path, headers: headers[next++ % headers.length] ?? '', expected: 200 });
    }
    case 'oidc': {
      const next = share(workload.tokens.length, client, clients);
      return () => {
        const number = next();
        const token = chain.get(number) ?? workload.tokens[number] ?? '';
        return {
          method: 'POST',
          path: '/token',
          headers: FORM_HEADERS,
          body: `grant_type=refresh_token&client_id=${workload.clientId}&refresh_token=${token}`,
          expected: 200,
          took: ({ body }) => chain.set(number, (JSON.parse(body) as { refresh_token: string }).refresh_token),
        };
      };
    }
    case 'renewal': {
      const next = share(workload.cookies.length, client, clients);
      return () => {
        const headers = `${GET_HEADERS}Cookie: ${workload.cookies[next()]}\r\n`;
        return { method: 'GET', path: workload.path, headers, expected: 200, accepts: isRenewal };
      };
    }
  }
}

function refreshes(
  chain: Map<number, string>,
  first: FirstToken,
  next: () => number,
  prove: (method: string, path: string) => string,
): () => Request {
  return () => {
    const number = next();
    return {
      method: 'POST',
      path: '/auth/refresh',
      headers: JSON_HEADERS + prove('POST', '/auth/refresh'),
      body: `{"refreshToken":"${chain.get(number) ?? first(number)}"}`,
      expected: 200,
      took: ({ body }) => chain.set(number, (JSON.parse(body) as { refreshToken: string }).refreshToken),
    };
  };
}

/**
 * The numbers of a client's own share of `total`, all of them in turn, from a random one on and scattered: sessions that were
 * opened one after the other are not refreshed one after the other.
 */
function share(total: number, client: number, clients: number): () => number {
  const size = Math.ceil((total - client) / clients);
  if (total < clients) throw new Error(`${total} sessions are too few for ${clients} clients`);
  const stride = size % STRIDE === 0 ? 1 : STRIDE;
  let turn = Math.floor(Math.random() * size);
  return () => client + clients * ((turn++ * stride) % size);
}

async function run(job: Job): Promise<JobResult> {
  const connections = await Promise.all(
    Array.from({ length: job.clients }, (_, client) => Connection.open(job.urls[client % job.urls.length] ?? '')),
  );
  const latencies: number[] = [];
  const failures: Record<string, string | undefined> = {};
  let failed = 0;
  let begun = 0;
  const startedAt = performance.now();
  const deadline = job.seconds === undefined ? Infinity : startedAt + job.seconds * 1000;
  const budget = job.requests ?? Infinity;

  await Promise.all(
    connections.map(async (connection, client) => {
      const next = requestsOf(job, client);
      for (let sentAt = performance.now(); sentAt < deadline && begun++ < budget;) {
        const { method, path, headers, body, expected, accepts, took } = next();
        const answer = await connection.send(method, path, headers, body);
        const now = performance.now();
        latencies.push(now - sentAt);
        sentAt = now;
        if (answer.status === expected && accepts?.(answer) !== false) took?.(answer);
        else {
          failed++;
          failures[answer.status] ??= answer.body.slice(0, 200);
        }
      }
    }),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  for (const connection of connections) connection.close();
  latencies.sort((one, other) => one - other);
  const quantile = (share: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? NaN;
  return {
    requests: latencies.length,
    seconds,
    p50: quantile(0.5),
    p99: quantile(0.99),
    max: latencies.at(-1) ?? NaN,
    failures,
    failed,
  };
}

process.on('message', ({ id, job }: { id: number; job: Job }) => {
  run(job).then(
    (result) => process.send?.({ id, result }),
    (error: unknown) => process.send?.({ id, error: String(error) }),
  );
});
