import { Module, type DynamicModule } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Config } from '../config';
import { DatabaseMetrics } from './database.metrics';
import { HealthController } from './health.controller';
import { MetricsController } from './metrics.controller';
import { MetricsServer } from './metrics.server';

/** A registry of the application's own, not the process's: a process may hold several applications, as tests do. */
function makeRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'ratchet_' });
  return registry;
}

/** Health, readiness and metrics; gives every module the registry. */
@Module({})
export class OperationsModule {
  static forRoot({ metricsPort, http }: Pick<Config, 'metricsPort' | 'http'>): DynamicModule {
    const separate = {
      provide: MetricsServer,
      inject: [Registry],
      useFactory: (registry: Registry) => new MetricsServer(registry, metricsPort ?? 0, http.host),
    };
    return {
      module: OperationsModule,
      global: true,
      imports: [TerminusModule],
      controllers: [HealthController, ...(metricsPort === null ? [MetricsController] : [])],
      providers: [
        { provide: Registry, useFactory: makeRegistry },
        DatabaseMetrics,
        ...(metricsPort === null ? [] : [separate]),
      ],
      exports: [Registry],
    };
  }
}
