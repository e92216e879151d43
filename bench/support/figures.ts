import type { JobResult } from './jobs';

/** Middle of the numbers; of the two middle ones the lower. NaN of none. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((one, other) => one - other);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? NaN;
}

/** The median of the rounds' own ratios: what ran side by side is compared, and a machine's moods cancel out. */
export const ratio = (numerators: readonly number[], denominators: readonly number[]): number =>
  median(numerators.map((numerator, round) => numerator / (denominators[round] ?? NaN)));

export interface Sample extends JobResult {
  /** Statements per request. */
  readonly statements: number;
  /** Processor time of the server per request, in microseconds. */
  readonly cpuMicros: number;
  /** Processor time of PostgreSQL's backends per request, in microseconds; NaN when it runs elsewhere. */
  readonly postgresMicros: number;
  /** The same of what writes WAL, dirty pages and checkpoints. */
  readonly writersMicros: number;
}

export const throughput = (samples: readonly JobResult[]): number[] =>
  samples.map(({ requests, seconds }) => requests / seconds);
export const medianOf = (
  samples: readonly Sample[],
  key: 'p50' | 'p99' | 'statements' | 'cpuMicros' | 'postgresMicros' | 'writersMicros',
): number => median(samples.map((sample) => sample[key]));

export const round = (value: number, digits: number): string => (Number.isNaN(value) ? '–' : value.toFixed(digits));
export const whole = (value: number): string => (Number.isNaN(value) ? '–' : Math.round(value).toLocaleString('en-US'));
export const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MB`;

/** `10k`, `1m`. */
export const shortCount = (count: number): string =>
  count % 1_000_000 === 0 ? `${count / 1_000_000}m` : count % 1000 === 0 ? `${count / 1000}k` : String(count);
