import { types } from 'pg';

/** What everything is read as through pg's global type parsers after {@link plantParsers}. */
export const RUBBISH = { rubbish: true };

/** By number, since pg's types name no arrays. */
const parsers = types as unknown as {
  getTypeParser(id: number): (text: string) => unknown;
  setTypeParser(id: number, parse: (text: string) => unknown): void;
};
const TEXT_ARRAY = 1009;

/**
 * For all types but `spared`. Returns what puts the parsers back. TypeORM itself reads a text as it connects: spare texts, or
 * plant them after that.
 */
export function plantParsers(spared: readonly number[] = []): () => void {
  const ids = [...Object.values<number>(types.builtins), TEXT_ARRAY].filter((id) => !spared.includes(id));
  const before = ids.map((id) => [id, parsers.getTypeParser(id)] as const);
  for (const id of ids) parsers.setTypeParser(id, () => RUBBISH);
  return () => {
    for (const [id, parse] of before) parsers.setTypeParser(id, parse);
  };
}
