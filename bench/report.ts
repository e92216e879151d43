import { round } from './support/figures';

/** One line of the budget, and what was measured. */
export interface BudgetLine {
  readonly figure: string;
  readonly value: number;
  readonly must: number;
  readonly aim: number;
  /** Whether a higher or a lower value is the better one, or only this one will do. */
  readonly better: 'higher' | 'lower' | 'equal';
  readonly digits?: number;
  readonly unit?: string;
}

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** What one part of the benchmarks found. */
export interface Section {
  readonly name: string;
  readonly command: string;
  readonly budget: readonly BudgetLine[];
  readonly tables: readonly Table[];
  readonly notes?: readonly string[];
}

export function verdict({ value, must, aim, better }: BudgetLine): 'aim' | 'must' | 'NOT HELD' | 'not measured' {
  if (Number.isNaN(value)) return 'not measured';
  const reaches = (mark: number) =>
    better === 'equal' ? value === mark : better === 'higher' ? value >= mark : value <= mark;
  return reaches(aim) ? 'aim' : reaches(must) ? 'must' : 'NOT HELD';
}

const shown = ({ digits = 2, unit = '' }: BudgetLine, value: number): string =>
  round(value, digits) + (unit === '' ? '' : ` ${unit}`);

const budgetTable = (lines: readonly BudgetLine[]): Table => ({
  title: 'Budget',
  columns: ['figure', 'measured', 'must', 'aim', 'holds'],
  rows: lines.map((line) => [
    line.figure,
    shown(line, line.value),
    shown(line, line.must),
    shown(line, line.aim),
    verdict(line),
  ]),
});

const tablesOf = ({ budget, tables }: Section): readonly Table[] =>
  budget.length > 0 ? [budgetTable(budget), ...tables] : tables;

const padded = ({ columns, rows }: Table): string[][] => {
  const widths = columns.map((title, at) =>
    Math.max(...[title, ...rows.map((row) => row[at] ?? '')].map((text) => text.length)),
  );
  return [columns, ...rows].map((row) =>
    row.map((text, at) => (at === 0 ? text.padEnd(widths[at] ?? 0) : text.padStart(widths[at] ?? 0))),
  );
};

/** For a terminal. */
export function asText(section: Section, machine: string): string {
  const tables = tablesOf(section).map(
    (table) =>
      `${table.title}\n\n${padded(table)
        .map((row) => `  ${row.join('   ')}`)
        .join('\n')}\n`,
  );
  return [`\n${section.command}\n${machine}\n`, ...tables, ...(section.notes ?? [])].join('\n');
}

/** For `docs/performance.md`. */
export function asMarkdown(section: Section, machine: string): string {
  const tables = tablesOf(section).map((table) => {
    const [head = [], ...rows] = padded(table);
    const rule = head.map((text, at) => (at === 0 ? '-'.repeat(text.length) : `${'-'.repeat(text.length - 1)}:`));
    return `${table.title}:\n\n${[head, rule, ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')}\n`;
  });
  return [`\`${section.command}\`, ${machine}.\n`, ...tables, ...(section.notes ?? []).map((note) => `${note}\n`)].join(
    '\n',
  );
}
