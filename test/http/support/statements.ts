import { Client } from 'pg';

/** The texts of all statements that any connection of this process sends while `work` runs, but for the guard's own poll. */
export async function statementsOf(work: () => Promise<unknown>): Promise<string[]> {
  const texts: string[] = [];
  const { query } = Object.getOwnPropertyDescriptors(Client.prototype);
  const spying = function (this: Client, ...statement: any[]): unknown {
    const text: string = statement[0]?.text ?? String(statement[0]);
    if (!text.includes('ratchet: revocation poll')) texts.push(text);
    return Reflect.apply(query.value!, this, statement);
  };
  Object.defineProperty(Client.prototype, 'query', { ...query, value: spying });
  try {
    await work();
  } finally {
    Object.defineProperty(Client.prototype, 'query', query);
  }
  return texts;
}
