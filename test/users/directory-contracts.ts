import { userAdministrationContract, type UserAdministrationPorts, userDirectoryContract } from '../../src/testing';

/** Runs both contracts of a `UserDirectory`; `ports` is called once the tests run. */
export function proveDirectory(name: string, ports: () => UserAdministrationPorts): void {
  const make = async () => ports();
  describe(`${name} as a UserDirectory`, () => {
    for (const { name, run } of userDirectoryContract({ make })) it(name, run);
    describe('that changes roles and activity', () => {
      for (const { name, run } of userAdministrationContract({ make })) it(name, run);
    });
  });
}
