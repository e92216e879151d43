import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { AuthOptions } from '../../options/auth.options';
import { type Names, names, TABLES } from './names';
import { LOG_LOCK_TIMEOUT } from './typeorm-auth-event.log';
import { TypeOrmUnitOfWork } from './typeorm-unit-of-work';

const MONTHS_AHEAD = 3;
const ONCE_A_DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Makes the event log's monthly partitions before they are needed. A missing one costs nothing but order: its rows go to
 * the DEFAULT partition, from where they can be moved by hand.
 */
@Injectable()
export class AuthEventPartitions implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(AuthEventPartitions.name);
  private readonly names: Names;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly unitOfWork: TypeOrmUnitOfWork,
    options: AuthOptions,
  ) {
    this.names = names(options.schema);
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.makeAhead();
    this.timer = setInterval(() => void this.makeAhead(), ONCE_A_DAY_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  private async makeAhead(): Promise<void> {
    const now = new Date();
    for (let ahead = 0; ahead <= MONTHS_AHEAD; ahead++) {
      const from = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead));
      const to = new Date(Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + 1));
      const name = `${TABLES.events}_${from.toISOString().slice(0, 7).replace('-', '_')}`;
      try {
        await this.make(name, from, to);
      } catch (error) {
        this.logger.warn(
          `Partition ${name} could not be created, its rows go to the DEFAULT partition: ${String(error)}`,
        );
      }
    }
  }

  private async make(name: string, from: Date, to: Date): Promise<void> {
    const { lock, inSchema, events } = this.names;
    await this.unitOfWork.run(async () => {
      const { manager } = this.unitOfWork;
      // Instances that start together would otherwise fail on each other's half-made partition.
      await manager.query(`SELECT pg_advisory_xact_lock(hashtextextended('${lock('auth_events partitions')}', 0))`);
      await manager.query(`SET LOCAL lock_timeout = '${LOG_LOCK_TIMEOUT}'`);
      await manager.query(
        `CREATE TABLE IF NOT EXISTS ${inSchema(name)} PARTITION OF ${events} FOR VALUES FROM ('${from.toISOString()}') TO ('${to.toISOString()}')`,
      );
    });
  }
}
