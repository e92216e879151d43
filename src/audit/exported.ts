import type { RecordedEvent } from '../index';

export const EXPORT_FORMATS = ['jsonl', 'csv'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export const MEDIA_TYPES: Readonly<Record<ExportFormat, string>> = {
  jsonl: 'application/x-ndjson; charset=utf-8',
  csv: 'text/csv; charset=utf-8',
};

const COLUMNS = [
  ...(['id', 'type', 'occurredAt', 'attemptId', 'userId', 'sessionId', 'generation'] as const),
  ...(['ipAddress', 'userAgent', 'outcome', 'reason', 'details'] as const),
] satisfies (keyof RecordedEvent)[];

/** The lines of an export, one text for each page of events. */
export async function* exported(
  format: ExportFormat,
  pages: AsyncIterable<readonly RecordedEvent[]>,
): AsyncGenerator<string> {
  if (format === 'csv') yield `${COLUMNS.join(',')}\r\n`;
  const lineOf = format === 'csv' ? csvLineOf : (event: RecordedEvent) => `${JSON.stringify(event)}\n`;
  for await (const events of pages) if (events.length > 0) yield events.map(lineOf).join('');
}

const csvLineOf = (event: RecordedEvent): string => `${COLUMNS.map((column) => cellOf(event[column])).join(',')}\r\n`;

/** RFC 4180. A spreadsheet would run a text that begins like a formula, and user agents are anybody's. */
function cellOf(value: RecordedEvent[keyof RecordedEvent]): string {
  if (value === null) return '';
  const text =
    value instanceof Date ? value.toISOString() : typeof value === 'object' ? JSON.stringify(value) : String(value);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
