import type { OnModuleInit } from '@nestjs/common';
import type { EventEmitter2 } from '@nestjs/event-emitter';
import type { Logger } from 'pino';
import { Counter, type Registry } from 'prom-client';
import {
  AUTH_EVENTS,
  RefreshTokenReuseDetected,
  TokenForgerySuspected,
  classOf,
  type AuthEvent,
  type AuthEventClass,
} from '../index';

const ALERTS = [RefreshTokenReuseDetected, TokenForgerySuspected];

/** Writes every event of auth to the log, and raises an alert for those that mean theft or forgery. */
export class AuditListeners implements OnModuleInit {
  private readonly alerts: Counter<'event'>;

  constructor(
    private readonly log: Logger,
    private readonly emitter: EventEmitter2,
    registry: Registry,
  ) {
    this.alerts = new Counter({
      name: 'ratchet_theft_alerts_total',
      help: 'Reuse of superseded tokens, and suspected forgeries',
      labelNames: ['event'],
      registers: [registry],
    });
  }

  /** Not by `@OnEvent`: that listens only after every module's own start, and its failures are not counted. */
  onModuleInit(): void {
    if (this.log.isLevelEnabled('info')) this.listen(AUTH_EVENTS, (event) => this.log.info(lineOf(event), 'event'));
    this.listen(ALERTS, (event) => this.alert(event));
  }

  private listen(classes: readonly AuthEventClass[], hear: (event: AuthEvent) => void): void {
    for (const { type } of classes) {
      // Asynchronous, so that an error does not stop the other listeners; the dispatcher logs and counts it.
      // eslint-disable-next-line @typescript-eslint/no-misused-promises
      this.emitter.on(type, async (event: AuthEvent) => hear(event));
    }
  }

  /**
   * The place to notify people: a host that mails the user or alerts its operators does it here, or in its own listener for
   * these two types. It delays no request, and a reuse has already ended the session.
   */
  private alert(event: AuthEvent): void {
    const { type } = classOf(event);
    this.alerts.inc({ event: type });
    this.log.error(lineOf(event), 'A refresh token was stolen or forged');
  }
}

/** The event with its type and its fields beside each other. */
function lineOf(event: AuthEvent): object {
  const { type, outcome } = classOf(event);
  const { context, ...details } = event;
  return { type, outcome, ...context, ...details };
}
