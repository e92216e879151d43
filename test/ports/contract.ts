import type { ContractCase, UnderTest } from '../../src/testing';
import { adapters } from './adapters';

/** Runs a contract against every adapter. All cases of one adapter share its ports, and what the cases before have stored. */
export function proveContract(subject: string, contract: (underTest: UnderTest) => readonly ContractCase[]): void {
  describe.each(adapters)(`${subject} %s`, (_name, open) => {
    let adapter: Awaited<ReturnType<typeof open>>;
    beforeAll(async () => {
      adapter = await open();
    });
    afterAll(() => adapter.close());
    for (const { name, run } of contract({ make: async () => adapter.ports })) it(name, run);
  });
}
