import { Injectable } from '@nestjs/common';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { AUTH_EVENTS, AuthMetrics, type FeedAnswerKind } from '../index';

/** What auth counts, for Prometheus. Labels have a handful of values each: never an id, an address or an e-mail. */
@Injectable()
export class PrometheusAuthMetrics extends AuthMetrics {
  private readonly refreshes: Counter<'outcome'>;
  private readonly refreshSeconds: Histogram;
  private readonly reauthentications: Counter<'outcome'>;
  private readonly deviceRegistrations: Counter<'outcome'>;
  private readonly logins: Counter<'outcome'>;
  private readonly auditQueueDepth: Gauge;
  private readonly auditBatchSize: Histogram;
  private readonly rotationBatchSize: Histogram;
  private readonly hashQueueDepth: Gauge;
  private readonly openPolls: Gauge;
  private readonly feedAnswers: Counter<'kind'>;
  private readonly limiterHits: Counter<'limit'>;
  private readonly limiterFallbacks: Counter;
  private readonly cleaned: Counter<'what'>;
  private readonly marked: Counter;
  private readonly listenerFailures: Counter<'event'>;
  private readonly cacheEvents: Record<'hit' | 'miss' | 'error', Counter<'cache'>>;
  private readonly viewSize: Gauge;
  private readonly propagationSeconds: Histogram;
  private viewRefreshedAt: number | null = null;

  constructor(registry: Registry) {
    super();
    const registers = [registry];
    this.refreshes = new Counter({
      name: 'ratchet_refresh_total',
      help: 'Refreshes by outcome: rotated, replayed_window, replayed_key, replayed_bound, or why not',
      labelNames: ['outcome'],
      registers,
    });
    this.refreshSeconds = new Histogram({
      name: 'ratchet_refresh_duration_seconds',
      help: 'How long refreshes took, whatever their outcome',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
      registers,
    });
    this.reauthentications = new Counter({
      name: 'ratchet_reauthentications_total',
      help: 'Step-ups by outcome: rotated, replayed_window, replayed_key, replayed_bound, or why not',
      labelNames: ['outcome'],
      registers,
    });
    this.deviceRegistrations = new Counter({
      name: 'ratchet_device_registrations_total',
      help: 'Registrations of keys of devices (DBSC) by outcome: bound, repeated, or why not',
      labelNames: ['outcome'],
      registers,
    });
    // A series that begins with its first event shows Prometheus no increase, so those with an alert begin at 0.
    for (const outcome of ['recovery_pending', 'fault', 'too_many_replays']) this.refreshes.inc({ outcome }, 0);
    this.logins = new Counter({
      name: 'ratchet_logins_total',
      help: 'Logins by outcome',
      labelNames: ['outcome'],
      registers,
    });
    this.logins.inc({ outcome: 'wrong_password' }, 0);
    this.auditQueueDepth = new Gauge({
      name: 'ratchet_audit_queue_depth',
      help: 'Events that wait for their record',
      registers,
    });
    this.auditBatchSize = new Histogram({
      name: 'ratchet_audit_batch_size',
      help: 'Events that shared one insert',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
      registers,
    });
    this.rotationBatchSize = new Histogram({
      name: 'ratchet_rotation_batch_size',
      help: 'Rotations that shared one statement',
      buckets: [2, 4, 8, 16, 32, 64],
      registers,
    });
    this.hashQueueDepth = new Gauge({
      name: 'ratchet_hash_queue_depth',
      help: 'Passwords that wait to be hashed or verified',
      registers,
    });
    const cacheCounter = (name: string, help: string) => new Counter({ name, help, labelNames: ['cache'], registers });
    this.cacheEvents = {
      hit: cacheCounter('ratchet_security_cache_hits_total', 'The security policy was found in the cache'),
      miss: cacheCounter('ratchet_security_cache_misses_total', 'The security policy was read from the database'),
      error: cacheCounter('ratchet_security_cache_errors_total', 'The cache of the security policy failed'),
    };
    for (const counter of Object.values(this.cacheEvents)) counter.inc({ cache: 'security' }, 0);
    this.viewSize = new Gauge({
      name: 'ratchet_revocation_view_size',
      help: 'Revocations that the guard keeps in memory',
      registers,
    });
    const staleness: Gauge = new Gauge({
      name: 'ratchet_revocation_view_staleness_seconds',
      help: 'Since the guard last read the revocations; -1 before the first time',
      registers,
      collect: () => {
        const { viewRefreshedAt } = this;
        staleness.set(viewRefreshedAt === null ? -1 : (performance.now() - viewRefreshedAt) / 1000);
      },
    });
    this.propagationSeconds = new Histogram({
      name: 'ratchet_revocation_propagation_seconds',
      help: 'From the announcement of a revocation to its arrival in this process',
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    });
    this.openPolls = new Gauge({
      name: 'ratchet_feed_polls',
      help: 'Polls of services that follow the revocations and are open',
      registers,
    });
    this.feedAnswers = new Counter({
      name: 'ratchet_feed_answers_total',
      help: 'Answers to polls by kind: snapshot, news, empty, or refused with 503',
      labelNames: ['kind'],
      registers,
    });
    for (const kind of ['snapshot', 'news', 'empty', 'refused'] satisfies FeedAnswerKind[]) {
      this.feedAnswers.inc({ kind }, 0);
    }
    this.limiterHits = new Counter({
      name: 'ratchet_limiter_hits_total',
      help: 'Requests that a limit refused or slowed down',
      labelNames: ['limit'],
      registers,
    });
    this.limiterFallbacks = new Counter({
      name: 'ratchet_limiter_fallbacks_total',
      help: 'Counts that Redis did not take, so that this process took them alone',
      registers,
    });
    this.cleaned = new Counter({
      name: 'ratchet_cleaned_rows_total',
      help: 'What clean-ups removed: sessions, revocations, partitions of the event log and rows outside of them',
      labelNames: ['what'],
      registers,
    });
    for (const what of ['sessions', 'revocations', 'audit_partitions', 'audit_rows']) this.cleaned.inc({ what }, 0);
    this.marked = new Counter({
      name: 'ratchet_marked_sessions_total',
      help: "Rows of sessions that had ended with all of their user's, and were marked afterwards",
      registers,
    });
    this.listenerFailures = new Counter({
      name: 'ratchet_listener_failures_total',
      help: 'Listeners of events that threw',
      labelNames: ['event'],
      registers,
    });
    for (const { type } of AUTH_EVENTS) this.listenerFailures.inc({ event: type }, 0);
  }

  refresh(outcome: string, seconds: number): void {
    this.refreshes.inc({ outcome });
    this.refreshSeconds.observe(seconds);
  }

  reauthentication(outcome: string): void {
    this.reauthentications.inc({ outcome });
  }

  deviceRegistration(outcome: string): void {
    this.deviceRegistrations.inc({ outcome });
  }

  login(outcome: string): void {
    this.logins.inc({ outcome });
  }

  auditQueue(depth: number): void {
    this.auditQueueDepth.set(depth);
  }

  auditBatch(size: number): void {
    this.auditBatchSize.observe(size);
  }

  rotationBatch(size: number): void {
    this.rotationBatchSize.observe(size);
  }

  securityCache(event: 'hit' | 'miss' | 'error'): void {
    this.cacheEvents[event].inc({ cache: 'security' });
  }

  viewRefreshed(size: number): void {
    this.viewSize.set(size);
    this.viewRefreshedAt = performance.now();
  }

  revocationSeen(seconds: number): void {
    this.propagationSeconds.observe(seconds);
  }

  feedPolls(open: number): void {
    this.openPolls.set(open);
  }

  feedAnswered(kind: FeedAnswerKind): void {
    this.feedAnswers.inc({ kind });
  }

  limited(limit: string): void {
    this.limiterHits.inc({ limit });
  }

  limiterFellBack(): void {
    this.limiterFallbacks.inc();
  }

  cleanedUp(what: 'sessions' | 'revocations' | 'audit_partitions' | 'audit_rows', count: number): void {
    this.cleaned.inc({ what }, count);
  }

  sessionsMarked(count: number): void {
    this.marked.inc(count);
  }

  hashQueue(depth: number): void {
    this.hashQueueDepth.set(depth);
  }

  listenerFailed(eventType: string): void {
    this.listenerFailures.inc({ event: eventType });
  }
}
