import { request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type INestApplication, Logger, type LoggerService, type ModuleMetadata } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { configureHttp, fastifyOptions, type HttpOptions } from '../../../src/auth/http/kit/http-server';
import type { AdapterName } from '../../support/adapters';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The parsed JSON of whatever shape; undefined for another content type. */

  readonly body: any;
}

export interface Sent {
  readonly method?: string;
  /** A list of names and values sends a header twice. */
  readonly headers?: OutgoingHttpHeaders | readonly string[];
  readonly body?: string | Buffer;
}

export interface StubApp {
  readonly app: INestApplication;
  send(path: string, sent?: Sent): Promise<Answer>;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>;
}

/** What was logged, as one text. */
export class RecordingLogger implements LoggerService {
  text = '';
  private readonly write = (...parts: unknown[]): void => {
    this.text += parts.map(String).join(' ') + '\n';
  };
  log = this.write;
  warn = this.write;
  error = this.write;
}

export interface StubOptions extends Partial<HttpOptions> {
  readonly logger?: LoggerService | false;
  /** Before `init()`, as an application's start would. */
  readonly prepare?: (app: INestApplication) => void;
}

/** A real server with the module's controllers behind `configureHttp`. */
export async function startStub(
  adapter: AdapterName,
  module: ModuleMetadata,
  { trustProxy = [], corsOrigins = [], logger = false, prepare = () => undefined }: StubOptions = {},
): Promise<StubApp> {
  const options = { trustProxy, corsOrigins };
  const compiled = await Test.createTestingModule(module).compile();
  const app = compiled.createNestApplication(
    adapter === 'fastify' ? new FastifyAdapter(fastifyOptions(options)) : new ExpressAdapter(),
    { bodyParser: false },
  );
  app.useLogger(logger);
  Logger.overrideLogger(logger);
  configureHttp(app, options);
  prepare(app);
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  const send = (path: string, sent: Sent = {}) => exchange(port, path, sent);
  return {
    app,
    send,
    post: (path, body, headers = {}) =>
      send(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      }),
  };
}

/** Node's own client: it sends headers as they are given, where `fetch` would tidy them up. */
function exchange(port: number, path: string, { method = 'GET', headers = {}, body = '' }: Sent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const bytes = Buffer.from(body);
    const length = bytes.length > 0 ? String(bytes.length) : undefined;
    const request = httpRequest({
      port,
      path,
      method,
      agent: false,
      headers: Array.isArray(headers)
        ? ['host', '127.0.0.1', ...headers]
        : { ...headers, ...(length !== undefined && { 'content-length': length }) },
    });
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const json = /json/.test(response.headers['content-type'] ?? '');
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          body: json ? JSON.parse(text) : undefined,
        });
      });
    });
    request.end(bytes);
  });
}

/** Answer headers that differ between requests without telling anything. */
export const lasting = ({ headers }: Answer): IncomingHttpHeaders => {
  const { date: _date, ...rest } = headers;
  return rest;
};
