import { Client } from 'pg';

/** A statement as a client of pg was given it. */
export interface Sent {
  readonly text: string;
  readonly name: string | undefined;
  readonly values: unknown[];
}

/** All statements that any connection of this process sends while `work` runs. */
export async function sentDuring(work: () => Promise<unknown>): Promise<Sent[]> {
  const sent: Sent[] = [];
  const { query } = Object.getOwnPropertyDescriptors(Client.prototype);
  const spying = function (this: Client, ...given: any[]): unknown {
    const [first, second] = given;
    const { text, name, values } = typeof first === 'string' ? { text: first, name: undefined, values: second } : first;
    sent.push({ text: String(text), name, values: values ?? second ?? [] });
    return Reflect.apply(query.value!, this, given);
  };
  Object.defineProperty(Client.prototype, 'query', { ...query, value: spying });
  try {
    await work();
  } finally {
    Object.defineProperty(Client.prototype, 'query', query);
  }
  return sent;
}
