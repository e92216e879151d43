import { type DynamicModule, Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { DataSource } from 'typeorm';
import type { Examined } from '../findings';
import { Diagnosis } from './diagnosis';
import { Drain } from './drain';
import { HealthController } from './health.controller';
import { OverviewController } from './overview.controller';

/** Liveness, readiness and the overview. Above auth, whose exports it is given. */
@Module({})
export class HealthModule {
  static forRoot(config: Examined): DynamicModule {
    return {
      module: HealthModule,
      imports: [TerminusModule],
      controllers: [HealthController, OverviewController],
      providers: [
        Drain,
        {
          provide: Diagnosis,
          inject: [DataSource],
          useFactory: (dataSource: DataSource) => new Diagnosis(config, dataSource),
        },
      ],
    };
  }
}
