import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { Drain } from './drain';
import { HealthController } from './health.controller';

/** Liveness and readiness. Above auth, whose exports it is given. */
@Module({ imports: [TerminusModule], controllers: [HealthController], providers: [Drain] })
export class HealthModule {}
