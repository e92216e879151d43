import type { Client } from 'pg';
import { type Sent, sentDuring } from './sent';

/** A node of EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON), as far as it is asked for. */
interface Node {
  readonly 'Node Type': string;
  readonly 'Index Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Shared Hit Blocks': number;
  readonly 'Shared Read Blocks': number;
  readonly Plans?: readonly Node[];
}

/** The statements about a table that any connection of this process sends while `work` runs. */
export const sentAbout = async (table: string, work: () => Promise<unknown>): Promise<Sent[]> =>
  (await sentDuring(work)).filter(({ text }) => text.includes(table));

/** What PostgreSQL does for a statement: the blocks that it looks at, its indexes, and the rows that it reads without one. */
export async function workFor(client: Client, { text, values }: Sent) {
  const explained = await client.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(
    `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`,
    values,
  );
  const [{ Plan: top }] = explained.rows[0]!['QUERY PLAN'];
  const nodes: Node[] = [];
  const walk = (node: Node) => {
    nodes.push(node);
    node.Plans?.forEach(walk);
  };
  walk(top);
  return {
    buffers: top['Shared Hit Blocks'] + top['Shared Read Blocks'],
    indexes: nodes.flatMap((node) => node['Index Name'] ?? []),
    readWithoutIndex: nodes
      .filter((node) => node['Node Type'] === 'Seq Scan')
      .reduce((rows, node) => rows + node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0), 0),
  };
}
