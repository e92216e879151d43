import { randomUUID } from 'node:crypto';
import { Controller, Get } from '@nestjs/common';
import { Registry } from 'prom-client';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiProblems, ApiTags } from '../auth/http';
import { ageInDays, KEY_LIFE_DAYS } from '../findings';
import { AuthOptions, Clock, NoStore, ringKeyOf, Roles } from '../index';
import { Diagnosis } from './diagnosis';
import { DiagnosisDto, OverviewDto, SettingsDto } from './overview.dto';

/** What an operator looks at: this process's own counts, and how it is set. No secret is among them. */
@ApiTags('operations')
@ApiBearerAuth()
@Roles('admin')
@Controller('admin')
export class OverviewController {
  private readonly instance = randomUUID();
  private readonly startedAt: Date;

  constructor(
    private readonly registry: Registry,
    private readonly options: AuthOptions,
    private readonly clock: Clock,
    private readonly diagnosis: Diagnosis,
  ) {
    this.startedAt = clock.now();
  }

  @ApiOperation({
    summary: 'Show what happens now',
    description:
      'The counts of the process that answers, since it started. The rates are the differences of two answers.',
  })
  @ApiOkResponse({ type: OverviewDto })
  @ApiProblems([401, 403, 503])
  @NoStore()
  @Get('overview')
  async overview(): Promise<OverviewDto> {
    const [refreshes, logins, reauthentications, limited, theftAlerts, pool] = await Promise.all([
      this.counts('ratchet_refresh_total', 'outcome'),
      this.counts('ratchet_logins_total', 'outcome'),
      this.counts('ratchet_reauthentications_total', 'outcome'),
      this.counts('ratchet_limiter_hits_total', 'limit'),
      this.counts('ratchet_theft_alerts_total', 'event'),
      this.counts('ratchet_database_pool_connections', 'state'),
    ]);
    const { busy = 0, idle = 0, waiting = 0 } = pool;
    return {
      instance: this.instance,
      at: this.clock.now(),
      startedAt: this.startedAt,
      refreshes,
      logins,
      reauthentications,
      limited,
      theftAlerts,
      activeSessions: (await this.values('ratchet_active_sessions'))[0]?.value ?? null,
      stalenessSeconds: await this.gauge('ratchet_revocation_view_staleness_seconds'),
      hashQueue: await this.gauge('ratchet_hash_queue_depth'),
      auditQueue: await this.gauge('ratchet_audit_queue_depth'),
      pool: { busy, idle, waiting },
    };
  }

  @ApiOperation({
    summary: 'Show keys, lifetimes and limits',
    description: 'Keys are shown by their ids and algorithms only.',
  })
  @ApiOkResponse({ type: SettingsDto })
  @ApiProblems([401, 403, 503])
  @NoStore()
  @Get('settings')
  settings(): SettingsDto {
    const { options } = this;
    return {
      accessTokenKeys: options.accessTokenKeys.map(ringKeyOf).map(({ kid, alg }, place) => ({
        kid,
        algorithm: alg,
        signs: place === 0,
        ageDays: ageInDays(kid, this.clock.now()),
      })),
      keyLifeDays: KEY_LIFE_DAYS,
      refreshTokenKeys: options.refreshTokenKeys.map(({ id }, place) => ({ id, issues: place === 0 })),
      accessTokenTtlSeconds: options.accessTokenTtlSeconds,
      refreshTokenTtlSeconds: options.refreshTokenTtlSeconds,
      sessionAbsoluteTtlSeconds: options.sessionAbsoluteTtlSeconds,
      replayWindowSeconds: options.replayWindowSeconds,
      maxReplays: options.maxReplays,
      maxSessionsPerUser: options.maxSessionsPerUser,
      adminReauthenticationSeconds: options.adminReauthentication,
      limits: Object.entries(options.limits).map(([name, limit]) => ({
        name,
        points: limit?.points ?? null,
        seconds: limit?.seconds ?? null,
      })),
    };
  }

  @ApiOperation({
    summary: 'Check the configuration, the database, Redis and the keys',
    description:
      'What `ratchet doctor` reports, of the process that answers. A failed check is no error of the request: `healthy` is false.',
  })
  @ApiOkResponse({ type: DiagnosisDto })
  @ApiProblems([401, 403, 503])
  @NoStore()
  @Get('doctor')
  async doctor(): Promise<DiagnosisDto> {
    const checks = await this.diagnosis.checks();
    return { healthy: checks.every(({ status }) => status !== 'fail'), checks };
  }

  private async gauge(name: string): Promise<number> {
    return (await this.values(name))[0]?.value ?? 0;
  }

  private async counts(name: string, label: string): Promise<Record<string, number>> {
    const values = await this.values(name);
    return Object.fromEntries(values.map(({ value, labels }) => [String(labels[label]), value]));
  }

  private async values(name: string) {
    return (await this.registry.getSingleMetric(name)?.get())?.values ?? [];
  }
}
