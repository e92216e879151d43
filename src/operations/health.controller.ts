import { Catch, Controller, Get, Logger, ServiceUnavailableException, UseFilters } from '@nestjs/common';
import { BaseExceptionFilter, HttpAdapterHost, ModuleRef } from '@nestjs/core';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { HealthCheck, HealthCheckService, HealthIndicatorService, type HealthCheckResult } from '@nestjs/terminus';
import { DataSource, MigrationExecutor } from 'typeorm';
import { Public, RevocationView } from '../auth';

const PATIENCE_MS = 1000;

/** What is unhealthy is answered with what ails it, and not as a problem. */
@Catch(ServiceUnavailableException)
class UnhealthyFilter extends BaseExceptionFilter {
  constructor({ httpAdapter }: HttpAdapterHost) {
    super(httpAdapter);
  }
}

@ApiTags('operations')
@Public()
@UseFilters(UnhealthyFilter)
@Controller('health')
export class HealthController {
  private readonly logger = new Logger('Readiness');

  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly dataSource: DataSource,
    private readonly modules: ModuleRef,
  ) {}

  @ApiOperation({ summary: 'Is it alive', description: 'Whether the process answers at all; if not, restart it.' })
  @Get('live')
  @HealthCheck()
  live(): Promise<HealthCheckResult> {
    return this.health.check([]);
  }

  @ApiOperation({
    summary: 'Is it ready',
    description:
      'Whether the database is reachable and up to date, and the revocations are known; if not, and during a shutdown, ' +
      'send requests elsewhere.',
  })
  @Get('ready')
  @HealthCheck()
  ready(): Promise<HealthCheckResult> {
    return this.health.check([
      () => this.attempt('database', () => this.dataSource.query('SELECT 1')),
      () => this.attempt('migrations', () => this.demandNoPendingMigrations()),
      () => this.attempt('revocations', () => this.view.currentPolicy()),
    ]);
  }

  /** Not injected: auth needs this module for its metrics, so this module cannot import it. */
  private get view(): RevocationView {
    return this.modules.get(RevocationView, { strict: false });
  }

  /** The answer is public: addresses and messages of the database go to the log alone. */
  private attempt(name: string, check: () => unknown) {
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
      .withTimeout(PATIENCE_MS);
  }

  private async demandNoPendingMigrations(): Promise<void> {
    const pending = await new MigrationExecutor(this.dataSource).getPendingMigrations();
    if (pending.length > 0) throw new Error(`not applied: ${pending.map(({ name }) => name).join(', ')}`);
  }
}
