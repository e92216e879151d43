import type { Server } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { DynamicModule, INestApplication, NestApplicationOptions } from '@nestjs/common';
import { NestFactory, type AbstractHttpAdapter } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { Logger } from 'pino';
import { AppModule } from './app.module';
import { configureHttp, fastifyOptions } from './auth';
import { setupSwagger } from './auth/http';
import type { Config } from './config';
import { EMBEDDED_DATA, startEmbeddedPostgres } from './database/embedded-postgres';
import { createLogger, NestLogger } from './logging';
import { Drain, watchRequests } from './operations';

/** How long requests in flight may take once the application is asked to close. */
const GRACE_MS = 10_000;

export interface Application {
  readonly app: INestApplication;
  /** Announces the end by readiness and by closing connections, and returns after `SHUTDOWN_DELAY`; requests are still served. */
  readonly drain: () => Promise<void>;
  /** Lets requests in flight finish, stores what waits to be recorded, then closes the database, the embedded one too. */
  readonly close: () => Promise<void>;
}

export interface ApplicationOptions {
  readonly adapter?: 'fastify' | 'express';
  readonly logger?: Logger;
  /** Makes the application of its module; tests replace providers here. */
  readonly create?: (
    module: DynamicModule,
    adapter: AbstractHttpAdapter,
    options: NestApplicationOptions,
  ) => Promise<INestApplication>;
}

/** The whole application, not yet listening; `main` and the tests over HTTP run the same one. */
export async function createApplication(config: Config, options: ApplicationOptions = {}): Promise<Application> {
  const {
    adapter = 'fastify',
    logger = createLogger(config.logLevel),
    create = NestFactory.create.bind(NestFactory),
  } = options;
  const { url } = config.database;
  const database =
    url === null ? await startEmbeddedPostgres({ dataDir: EMBEDDED_DATA }) : { url, stop: () => Promise.resolve() };
  try {
    const app = await create(
      AppModule.forRoot(config, database.url, logger),
      adapter === 'express'
        ? new (await import('@nestjs/platform-express')).ExpressAdapter()
        : // A request on a connection that is still open is answered as ever: the database is closed after the last one.
          new FastifyAdapter({ ...fastifyOptions(config.http), return503OnClosing: false }),
      { bodyParser: false, abortOnError: false, logger: new NestLogger(logger) },
    );
    watchRequests(app, logger);
    configureHttp(app, config.http);
    if (config.http.swaggerEnabled) setupSwagger(app);
    const drain = async (): Promise<void> => {
      app.get(Drain).begin(app.getHttpServer() as Server);
      await delay(config.http.shutdownDelaySeconds * 1000);
    };
    return { app, drain, close: () => closeGracefully(app).finally(() => database.stop()) };
  } catch (error) {
    await database.stop();
    throw error;
  }
}

async function closeGracefully(app: INestApplication): Promise<void> {
  const server = app.getHttpServer() as Server;
  // A connection whose last answer went out after the start of the close would otherwise be kept for the next request.
  server.keepAliveTimeout = 1;
  const patience = setTimeout(() => server.closeAllConnections(), GRACE_MS);
  await app.close().finally(() => clearTimeout(patience));
}
