import type { OnModuleInit } from '@nestjs/common';
import type { EventEmitter2 } from '@nestjs/event-emitter';
import type { Logger } from 'pino';
import { Counter, type Registry } from 'prom-client';
import {
  AUTH_EVENTS,
  AuthTokenRefreshAttempted,
  AuthTokenRefreshFailed,
  AuthTokenRefreshSucceeded,
  RefreshTokenReuseDetected,
  TokenForgerySuspected,
  classOf,
  type AuthEvent,
  type AuthEventClass,
} from '../index';
import { loggedRequests } from '../logging';

const REFRESH_ENDINGS = [AuthTokenRefreshSucceeded, AuthTokenRefreshFailed];
const REFRESH: readonly AuthEventClass[] = [AuthTokenRefreshAttempted, ...REFRESH_ENDINGS];
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
    // A series that begins with its first event shows Prometheus no increase: the first theft would raise no alert.
    for (const { type } of ALERTS) this.alerts.inc({ event: type }, 0);
  }

  /** Not by `@OnEvent`: that listens only after every module's own start, and its failures are not counted. */
  onModuleInit(): void {
    const others = AUTH_EVENTS.filter((one) => !REFRESH.includes(one));
    if (this.log.isLevelEnabled('debug')) this.listen(REFRESH, (event) => this.log.debug(lineOf(event), 'event'));
    if (this.log.isLevelEnabled('info')) {
      this.listen(REFRESH_ENDINGS, (event) => this.endRefresh(event));
      this.listen(others, (event) => this.log.info(lineOf(event), 'event'));
    }
    this.listen(ALERTS, (event) => this.alert(event));
  }

  private listen(classes: readonly AuthEventClass[], hear: (event: AuthEvent) => void): void {
    for (const { type } of classes) {
      // Asynchronous, so that an error does not stop the other listeners; the dispatcher logs and counts it.
      // eslint-disable-next-line @typescript-eslint/no-misused-promises
      this.emitter.on(type, async (event: AuthEvent) => hear(event));
    }
  }

  /** In the line of its request, since a line for each would be most of what an application at work writes. */
  private endRefresh(event: AuthEvent): void {
    const request = loggedRequests.getStore();
    if (request === undefined || request.event === null) this.log.info(lineOf(event), 'event');
    else request.event = lineOf(event);
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
