import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { Drain } from './drain';
import { HealthController } from './health.controller';
import { OverviewController } from './overview.controller';

/** Liveness, readiness and the overview. Above auth, whose exports it is given. */
@Module({ imports: [TerminusModule], controllers: [HealthController, OverviewController], providers: [Drain] })
export class HealthModule {}
