import {
  applyDecorators,
  type ArgumentsHost,
  Catch,
  Controller,
  type ExceptionFilter,
  Get,
  Inject,
  Logger,
  ServiceUnavailableException,
  UseFilters,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import {
  HealthCheck,
  type HealthCheckResult,
  HealthCheckService,
  type HealthIndicatorResult,
  HealthIndicatorService,
} from '@nestjs/terminus';
import { DataSource, MigrationExecutor } from 'typeorm';
import { ApiOperation, ApiProblems, ApiTags, openapi, UNREADABLE } from '../auth/http';
import { Public, RedisConnection, RevocationView } from '../index';
import { Drain } from './drain';

const PATIENCE_MS = 1000;
/** A readiness probe often waits only a second, and must not time out because of Redis. */
const PATIENCE_WITH_REDIS_MS = 200;

/** Returns 503 with Terminus's report instead of problem details, plus `Retry-After`. */
@Catch(ServiceUnavailableException)
class UnhealthyFilter implements ExceptionFilter {
  constructor(private readonly adapterHost: HttpAdapterHost) {}

  catch(exception: ServiceUnavailableException, host: ArgumentsHost): void {
    const { httpAdapter } = this.adapterHost;
    const response: unknown = host.switchToHttp().getResponse();
    httpAdapter.setHeader(response, 'Retry-After', '1');
    httpAdapter.reply(response, exception.getResponse(), exception.getStatus());
  }
}

/** Terminus's own decorator loads @nestjs/swagger wherever it is installed. */
const Check = () =>
  applyDecorators(
    openapi.decorator(() => HealthCheck({ noCache: false, swaggerDocumentation: true })),
    HealthCheck({ noCache: true, swaggerDocumentation: false }),
  );

@ApiTags('operations')
@ApiProblems([400], UNREADABLE)
@Public()
@UseFilters(UnhealthyFilter)
@Controller('health')
export class HealthController {
  private readonly logger = new Logger('Readiness');

  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly dataSource: DataSource,
    private readonly view: RevocationView,
    private readonly drain: Drain,
    /** Null where none is configured; a type that may be null says no class to Nest. */
    @Inject(RedisConnection) private readonly redis: RedisConnection | null,
  ) {}

  @ApiOperation({ summary: 'Liveness', description: 'Whether the process responds; if not, restart it.' })
  @Get('live')
  @Check()
  live(): Promise<HealthCheckResult> {
    return this.health.check([]);
  }

  @ApiOperation({
    summary: 'Readiness',
    description:
      'Whether the database is reachable, writable and migrated, and the revocations are known; if not, and during a shutdown, ' +
      'send requests to another instance. An unreachable Redis is reported as degraded; the instance stays ready.',
  })
  @Get('ready')
  @Check()
  ready(): Promise<HealthCheckResult> {
    const { redis, drain } = this;
    return this.health.check([
      ...(drain.hasBegun ? [() => this.indicators.check('shutdown').down('begun')] : []),
      () => this.attempt('database', () => this.demandWritable()),
      () => this.attempt('migrations', () => this.demandNoPendingMigrations()),
      () => this.attempt('revocations', () => this.view.currentPolicy()),
      ...(redis === null ? [] : [() => this.attemptWithRedis(redis)]),
    ]);
  }

  /** Without it limits count in each process, and nothing else changes. */
  private async attemptWithRedis(redis: RedisConnection): Promise<HealthIndicatorResult> {
    const result = await this.attempt('redis', () => redis.demandMaster(), PATIENCE_WITH_REDIS_MS);
    return result.redis.status === 'up' ? result : this.indicators.check('redis').degraded('unavailable');
  }

  /** The answer is public: addresses and messages of the database go to the log alone. */
  private attempt<Name extends string>(name: Name, check: () => unknown, patienceMs = PATIENCE_MS) {
    return this.indicators
      .check(name)
      .attempt(async () => {
        try {
          await check();
        } catch (error) {
          this.logger.warn(`${name}: ${(error as Error).message}`);
          throw new Error('unavailable', { cause: error });
        }
      })
      .withTimeout(patienceMs);
  }

  /** A standby and a former primary answer as well. Whether the disk is full, no statement says before it writes. */
  private async demandWritable(): Promise<void> {
    const [row] = await this.dataSource.query<{ writable: boolean }[]>(
      `SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' AS writable`,
    );
    if (row?.writable !== true) throw new Error('the server is read-only or in recovery');
  }

  private async demandNoPendingMigrations(): Promise<void> {
    const pending = await new MigrationExecutor(this.dataSource).getPendingMigrations();
    if (pending.length > 0) throw new Error(`not applied: ${pending.map(({ name }) => name).join(', ')}`);
  }
}
