import type { DataSource } from 'typeorm';
import { type Check, type Examined, examineDatabase, examineSettings } from '../findings';

/** What `ratchet doctor` reports, of this process. */
export class Diagnosis {
  private running: Promise<readonly Check[]> | null = null;

  constructor(
    private readonly config: Examined,
    private readonly dataSource: DataSource,
  ) {}

  /** Those who ask at the same time share an answer: a check may read every session, or open a connection. */
  checks(): Promise<readonly Check[]> {
    return (this.running ??= this.examine().finally(() => (this.running = null)));
  }

  private async examine(): Promise<readonly Check[]> {
    const { config, dataSource } = this;
    return [
      ...(await examineSettings(config)),
      ...(await examineDatabase(config, {
        dataSource,
        isHosts: false,
        application: () => ['ok', 'this configuration has started it'],
      })),
    ];
  }
}
