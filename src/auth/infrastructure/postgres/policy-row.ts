import type { Names } from './names';

interface Queries {
  query(text: string): Promise<unknown>;
}

/** Creates the policy's row with its defaults where it is missing. */
export const createPolicy = async (database: Queries, { policy }: Names): Promise<void> => {
  await database.query(`INSERT INTO ${policy} (id) VALUES (1) ON CONFLICT DO NOTHING`);
};

/** The policy's row was created, and is not there for this role all the same. */
export class UnseenPolicy extends Error {
  constructor() {
    super(
      'The row of security_policy was created and still cannot be seen: check the row-level security and the triggers of ' +
        'the table, and the role that auth connects with',
    );
  }
}

/**
 * What `read` finds; null means that it did not see the policy's row. A missing row is created again, once: one that stays
 * invisible would otherwise be created and read for ever.
 */
export async function withPolicy<T>(database: Queries, names: Names, read: () => Promise<T | null>): Promise<T> {
  const found = await read();
  if (found !== null) return found;
  await createPolicy(database, names);
  const again = await read();
  if (again !== null) return again;
  throw new UnseenPolicy();
}
