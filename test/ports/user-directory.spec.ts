import { InMemoryStore, InMemoryUnitOfWork, InMemoryUserDirectory } from '../../src/testing';
import { userDirectoryContract } from '../users/user-directory.contract';

// The same suite runs on PostgreSQL beside the application's own directory.
userDirectoryContract('InMemoryUserDirectory', () => {
  const store = new InMemoryStore();
  const directory = new InMemoryUserDirectory(store);
  return {
    directory,
    add: (user) => directory.add(user),
    noAdministrators: async () => {
      for (const user of store.users.values()) store.users.set(user.id, { ...user, roles: ['user'] });
    },
    rolledBack: async (work) => {
      const unit = new InMemoryUnitOfWork(store).run(async () => {
        await work();
        throw new Error('rolled back');
      });
      await expect(unit).rejects.toThrow('rolled back');
    },
  };
});
