import { randomUUID } from 'node:crypto';
import { Controller, Get } from '@nestjs/common';
import { Registry } from 'prom-client';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiProblems, ApiTags } from '../auth/http';
import { accessKeys, standbys, tables } from '../findings';
import { AuthOptions, Clock, NoStore, PostgresSettings, ringKeyOf, Roles, TypeOrmUnitOfWork } from '../index';
import { OverviewDto, SettingsDto } from './overview.dto';

const DAY_MS = 24 * 60 * 60 * 1000;

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
    private readonly unitOfWork: TypeOrmUnitOfWork,
    private readonly database: PostgresSettings,
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
    summary: 'Show keys, lifetimes, limits and checks',
    description: 'Keys are shown by their ids and algorithms only.',
  })
  @ApiOkResponse({ type: SettingsDto })
  @ApiProblems([401, 403, 503])
  @NoStore()
  @Get('settings')
  async settings(): Promise<SettingsDto> {
    const { options } = this;
    return {
      accessTokenKeys: options.accessTokenKeys.map(ringKeyOf).map(({ kid, alg }, place) => ({
        kid,
        algorithm: alg,
        signs: place === 0,
        ageDays: this.ageOf(kid),
      })),
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
      findings: await this.findings(),
    };
  }

  private async findings(): Promise<SettingsDto['findings']> {
    const { dataSource } = this.unitOfWork;
    const found = {
      'access keys': accessKeys(this.options.accessTokenKeys),
      standbys: await standbys(dataSource),
      tables: await tables(dataSource, this.database.schema),
    };
    return Object.entries(found).map(([check, [status, message]]) => ({ check, status, message }));
  }

  /** By the day in the id of the key. */
  private ageOf(kid: string): number | null {
    const days = Math.floor((this.clock.now().getTime() - Date.parse(kid.slice(0, 10))) / DAY_MS);
    return Number.isNaN(days) ? null : days;
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
