import { Module, type DynamicModule } from '@nestjs/common';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Config } from '../config';
import { DatabaseMetrics } from './database.metrics';
import { MetricsController } from './metrics.controller';
import { MetricsServer } from './metrics.server';

/** A registry of the application's own, not the process's: a process may hold several applications, as tests do. */
function makeRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'ratchet_' });
  return registry;
}

/** The registry for every module, and where it can be read. Below auth, which counts in it. */
@Module({})
export class MetricsModule {
  static forRoot({ metricsPort, http }: Pick<Config, 'metricsPort' | 'http'>): DynamicModule {
    const separate = {
      provide: MetricsServer,
      inject: [Registry],
      useFactory: (registry: Registry) => new MetricsServer(registry, metricsPort ?? 0, http.host),
    };
    return {
      module: MetricsModule,
      global: true,
      controllers: metricsPort === null ? [MetricsController] : [],
      providers: [
        { provide: Registry, useFactory: makeRegistry },
        DatabaseMetrics,
        ...(metricsPort === null ? [] : [separate]),
      ],
      exports: [Registry],
    };
  }
}
