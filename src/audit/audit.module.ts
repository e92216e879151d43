import { Module, type DynamicModule } from '@nestjs/common';
import { EventEmitter2 } from '@nestjs/event-emitter';
import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import { AuditEventsController } from './audit-events.controller';
import { AuditListeners } from './audit.listeners';

/** Logs auth's events, alerts operators, and lets administrators search the record. */
@Module({})
export class AuditModule {
  static forRoot(logger: Logger): DynamicModule {
    return {
      module: AuditModule,
      controllers: [AuditEventsController],
      providers: [
        {
          provide: AuditListeners,
          inject: [EventEmitter2, Registry],
          useFactory: (emitter: EventEmitter2, registry: Registry) =>
            new AuditListeners(logger.child({ context: 'audit' }), emitter, registry),
        },
      ],
    };
  }
}
