import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { HealthController } from './health.controller';

/** Liveness and readiness. Above auth, whose exports it is given. */
@Module({ imports: [TerminusModule], controllers: [HealthController] })
export class HealthModule {}
