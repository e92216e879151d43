import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { PostgresSettings } from '../../options/postgres.settings';
import { EventPartitions, type PartitionedLog } from './event-partitions';
import { names } from './names';
import { DAY, isoOf, partitionsToCreate, type PartitionUnit, type Range, startOfDay } from './partition-plan';
import { TypeOrmUnitOfWork } from './typeorm-unit-of-work';

const AGAIN_MS = 60_000;
const USUALLY_MS = 60 * 60 * 1000;

/**
 * Creates the event log's partitions before they are needed. A missing one costs nothing but order: its rows go to the
 * DEFAULT partition, and move out of it when it is created.
 */
@Injectable()
export class AuthEventPartitions implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(AuthEventPartitions.name);
  private readonly partitions: EventPartitions;
  private readonly unit: PostgresSettings['auditPartition'];
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;
  /** So that trouble that lasts is logged once. */
  private readonly logged = new Set<string>();

  constructor(unitOfWork: TypeOrmUnitOfWork, { schema, auditPartition }: PostgresSettings) {
    this.partitions = new EventPartitions(unitOfWork, names(schema));
    this.unit = auditPartition;
  }

  async onApplicationBootstrap(): Promise<void> {
    if (this.unit === 'external') return;
    this.running = this.pass(this.unit);
    await this.running;
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.running;
  }

  private async pass(unit: PartitionUnit): Promise<void> {
    let isComplete = false;
    try {
      isComplete = await this.createAhead(unit);
    } catch (error) {
      this.warn(`The partitions of the audit trail could not be read: ${String(error)}`);
    }
    if (this.stopped) return;
    const next = () => (this.running = this.pass(unit));
    this.timer = setTimeout(() => void next(), isComplete ? USUALLY_MS : AGAIN_MS).unref();
  }

  /** Creates what is missing, on the database's clock or `at` another time. False if another attempt soon is worth it. */
  async createAhead(unit: PartitionUnit, at?: number): Promise<boolean> {
    const log = await this.partitions.read();
    const now = at ?? log.now;
    const missing = partitionsToCreate(unit, now, log.partitions);
    if (missing.length === 0) this.logged.clear();
    else if (!log.mayCreate) {
      this.warn("The database's role may not create partitions of the audit trail: events without one go to DEFAULT");
      return true;
    }
    let isComplete = true;
    for (const range of missing) {
      if (this.stopped) break;
      isComplete = (await this.create(range, { ...log, now })) && isComplete;
    }
    return isComplete;
  }

  private async create(range: Range, log: PartitionedLog): Promise<boolean> {
    try {
      if (await this.partitions.create(range, log)) return true;
    } catch (error) {
      const { partitions } = await this.partitions.read();
      if (partitions.some((one) => one.from <= range.from && range.from < one.to)) return true; // by another instance
      const [from, to] = [isoOf(range.from), isoOf(range.to)];
      this.warn(`The partition from ${from} to ${to} could not be created, its events go to DEFAULT: ${String(error)}`);
      return false;
    }
    // Its days one by one: without the rest, a month would go to DEFAULT for the events of a day.
    const nextDay = startOfDay(range.from) + DAY;
    if (nextDay < range.to) {
      const isFirstComplete = await this.create({ from: range.from, to: nextDay }, log);
      return (await this.create({ from: nextDay, to: range.to }, log)) && isFirstComplete;
    }
    this.warn('The DEFAULT partition of the audit trail has more than 10,000 events of one day: see ratchet doctor');
    return true;
  }

  private warn(problem: string): void {
    if (!this.logged.has(problem)) this.logger.warn(problem);
    this.logged.add(problem);
  }
}
