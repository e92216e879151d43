import type { INestApplication } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { UnitOfWork, UserDirectory, type UserWithPassword } from '../../src';
import { UserEntity } from '../../src/users/user.entity';
import { statementsOf } from '../http/support/statements';
import { testDatabase } from '../support/database/test-database';
import { proveDirectory } from './directory-contracts';
import { usersApp } from './users-app';

let app: INestApplication;
let dataSource: DataSource;
let directory: UserDirectory;
beforeAll(async () => {
  app = await usersApp((await testDatabase()).url);
  dataSource = app.get(DataSource);
  directory = app.get(UserDirectory);
});
afterAll(() => app.close());

const add = async (user: UserWithPassword) => {
  await dataSource.getRepository(UserEntity).insert({ ...user, roles: [...user.roles] });
};

proveDirectory('TypeOrmUserDirectory', () => ({
  directory,
  unitOfWork: app.get(UnitOfWork),
  add,
  noAdministrators: async () => {
    await dataSource.query(`UPDATE users SET roles = '{user}'`);
  },
}));

describe('TypeOrmUserDirectory', () => {
  it('names the columns by which a refresh reads the user in its own statement', async () => {
    const sam = {
      id: '01890a5d-ac96-774b-bcce-b302099a8057',
      email: 'joined@example.com',
      passwordHash: 'a hash',
      roles: ['user'],
      isActive: false,
    };
    await add(sam);
    const { table, id, email, roles, isActive } = directory.joinable!;
    const rows: unknown = await dataSource.query(
      `SELECT "${id}" AS id, "${email}" AS email, "${roles}" AS roles, "${isActive}" AS "isActive"
         FROM "${table}" WHERE "${id}" = $1`,
      [sam.id],
    );
    const { passwordHash: _, ...user } = sam;
    expect(rows).toEqual([user]);
  });

  it('moves the time of the last change with every change', async () => {
    const id = '01890a5d-ac96-774b-bcce-b302099a8058';
    await add({ id, email: 'changed@example.com', passwordHash: 'a hash', roles: [], isActive: true });
    await dataSource.query(`UPDATE users SET updated_at = 'epoch' WHERE id = $1`, [id]);
    await directory.setActive!(id, false);
    const changed = await dataSource.getRepository(UserEntity).findOneByOrFail({ id });
    expect(changed.updatedAt.getTime()).toBeGreaterThan(0);
  });

  it('asks one statement of the database for each look-up', async () => {
    const statements = await statementsOf(async () => {
      await directory.findById('01890a5d-ac96-774b-bcce-b302099a8058');
      await directory.findByLogin('changed@example.com');
    });
    expect(statements).toHaveLength(2);
    expect(statements[0]).not.toContain('password_hash');
  });
});
