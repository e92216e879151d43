import { InMemoryStore, InMemoryUnitOfWork, InMemoryUserDirectory } from '../../src/testing';
import { proveDirectory } from '../users/directory-contracts';

// The same contracts are proved on PostgreSQL beside the application's own directory.
const store = new InMemoryStore();
const directory = new InMemoryUserDirectory(store);

proveDirectory('InMemoryUserDirectory', () => ({
  directory,
  unitOfWork: new InMemoryUnitOfWork(store),
  add: (user) => directory.add(user),
  noAdministrators: async () => {
    for (const user of store.users.values()) store.users.set(user.id, { ...user, roles: ['user'] });
  },
}));
