import assert from 'node:assert/strict';
import { v7 as uuidv7 } from 'uuid';
import type { UnitOfWork, UserDirectory, UserWithPassword } from '../../index';
import { matches, same } from './assertions';
import { collected, type ContractCase, type UnderTest } from './contract';

/** A directory of users, and what it has no methods for. */
export interface UserDirectoryPorts {
  readonly directory: UserDirectory;
  /** Only of a directory in auth's database: the unit of work that it joins. */
  readonly unitOfWork?: UnitOfWork;
  /** Adds a user, as a registration does. */
  add(user: UserWithPassword): Promise<void>;
  /** Makes an id that no user has, as the directory spells them; a UUID by default. Numbers begin at 1000. */
  newId?(): string;
  /** Called at the end of each case. Leave it out if all cases share the directory. */
  close?(): Promise<void>;
}

/** A directory that can change roles and activity. */
export interface UserAdministrationPorts extends UserDirectoryPorts {
  /** Makes ordinary users of all administrators, past the port. */
  noAdministrators(): Promise<void>;
}

/** Adds a user whose e-mail begins with "sam". */
async function addUser(under: UserDirectoryPorts, changes: Partial<UserWithPassword> = {}): Promise<UserWithPassword> {
  const user = {
    id: under.newId?.() ?? uuidv7(),
    email: `sam-${uuidv7()}@example.com`,
    passwordHash: 'first hash',
    roles: ['user', 'clerk'],
    isActive: true,
    ...changes,
  };
  await under.add(user);
  return user;
}

/** The promises of the port `UserDirectory`, for logins that are e-mails, spelled by `loginSpelling`. */
export function userDirectoryContract({ make }: UnderTest<UserDirectoryPorts>): readonly ContractCase[] {
  let under: UserDirectoryPorts;
  let sam: UserWithPassword;
  const open = async () => (under = await make());
  const newId = () => under.newId?.() ?? uuidv7();
  const added = (changes?: Partial<UserWithPassword>) => addUser(under, changes);
  return collected(open, ({ beforeEach, it }) => {
    beforeEach(async () => {
      sam = await added();
    });

    const storedHash = async () => (await under.directory.findByLogin(sam.email))?.passwordHash;

    it('finds a user by id, active or not, and keeps the hash to itself', async () => {
      const { passwordHash: _, ...user } = sam;
      same(await under.directory.findById(sam.id), user);
      const { passwordHash: _hash, ...gone } = await added({ isActive: false });
      same(await under.directory.findById(gone.id), gone);
    });

    it('finds a user by id with the hash, where it can', async () => {
      const { directory } = under;
      if (!directory.findByIdWithPassword) return;
      matches(await directory.findByIdWithPassword(sam.id), sam);
      assert.equal(await directory.findByIdWithPassword(newId()), null);
    });

    it('searches by a part of the e-mail or by the id, in the order of the e-mails, where it can', async () => {
      const { directory } = under;
      if (!directory.search) return;
      const other = await added({ email: sam.email.replace('@', '-b@'), isActive: false });
      const part = sam.email.slice('sam-'.length, sam.email.indexOf('@'));
      const ids = async (text: string, limit = 10) => (await directory.search!(text, limit)).map(({ id }) => id);
      const inOrder = [sam, other].sort((one, two) => (one.email < two.email ? -1 : 1)).map(({ id }) => id);
      same(await ids(part), inOrder);
      same(await ids(part.toUpperCase()), inOrder);
      same(await ids(part, 1), inOrder.slice(0, 1));
      same(await ids(sam.id), [sam.id]);
      same(await ids(`${part}%`), []);
      assert.equal((await ids('', 2)).length, 2);
      const { passwordHash: _, ...user } = sam;
      same(
        (await directory.search(part, 10)).find(({ id }) => id === sam.id),
        user,
      );
    });

    it('finds nobody behind an unknown id', async () => {
      assert.equal(await under.directory.findById(newId()), null);
    });

    // Seen red with the id that was asked for in the place of the stored one: sessions are found by the spelling of the login.
    it('returns the id as it is stored, whatever spelling finds the user', async () => {
      const { id } = sam;
      const others = [id.toUpperCase(), ` ${id}`, `${id} `, `0${id}`, `+${id}`, `${id}.0`, `{${id}}`];
      for (const spelling of others) {
        const found = await under.directory.findById(spelling);
        assert.equal(found?.id ?? id, id);
      }
      assert.equal((await under.directory.findByLogin(sam.email))?.id, id);
    });

    // Seen red on PostgreSQL with any text compared to the column.
    for (const id of ['ann', '7', "O'Neill", '{}', 'x'.repeat(128)]) {
      it(`finds and changes nobody behind the id ${JSON.stringify(id)}`, async () => {
        assert.equal(await under.directory.findById(id), null);
        assert.equal((await under.directory.findByIdWithPassword?.(id)) ?? null, null);
        assert.equal(await under.directory.replacePasswordHash(id, 'first hash', 'second hash'), false);
        assert.equal((await under.directory.setActive?.(id, false)) ?? 'user_not_found', 'user_not_found');
        assert.equal((await under.directory.setRoles?.(id, [])) ?? 'user_not_found', 'user_not_found');
      });
    }

    const spellings: [name: string, spelling: (email: string) => string][] = [
      ['as it is stored', (email: string) => email],
      ['in capitals', (email: string) => email.toUpperCase()],
      ['with blanks around it', (email: string) => ` ${email}\n`],
      ['in full-width letters', (email: string) => email.replace('sam', 'ｓａｍ').replace('@', '＠')],
    ];
    for (const [name, spelling] of spellings) {
      it(`finds a user by login ${name}, with the hash`, async () => {
        matches(await under.directory.findByLogin(spelling(sam.email)), sam);
      });
    }

    // Seen red with a spelling that is not composed again after the lower case.
    it('finds a user whose login has a letter that is composed only in lower case', async () => {
      const name = uuidv7();
      const tim = await added({ email: `\u1e97im-${name}@example.com` });
      matches(await under.directory.findByLogin(`T\u0308IM-${name}@example.com`), tim);
    });

    for (const login of ['nobody@example.com', 'sam', '', '\u0000', `${'x'.repeat(5000)}@example.com`]) {
      it(`finds nobody behind the login ${JSON.stringify(login)}`, async () => {
        assert.equal(await under.directory.findByLogin(login), null);
      });
    }

    it('replaces a hash only while the verified one is stored', async () => {
      assert.equal(await under.directory.replacePasswordHash(sam.id, 'another hash', 'second hash'), false);
      assert.equal(await storedHash(), 'first hash');
      assert.equal(await under.directory.replacePasswordHash(sam.id, 'first hash', 'second hash'), true);
      assert.equal(await storedHash(), 'second hash');
    });

    it('lets one of many replacements of the same hash win', async () => {
      const nexts = Array.from({ length: 10 }, (_, i) => `next hash ${i}`);
      const won = await Promise.all(
        nexts.map((next) => under.directory.replacePasswordHash(sam.id, 'first hash', next)),
      );
      assert.equal(won.filter(Boolean).length, 1);
      assert.equal(await storedHash(), nexts[won.indexOf(true)]);
    });

    it('says when there is no user whose hash it could replace', async () => {
      assert.equal(await under.directory.replacePasswordHash(newId(), 'first hash', 'second hash'), false);
    });

    it('changes one user only', async () => {
      const kim = await added();
      await under.directory.replacePasswordHash(sam.id, 'first hash', 'second hash');
      matches(await under.directory.findByLogin(kim.email), kim);
    });

    it('joins the current unit of work, where it is in the same database', async () => {
      if (!under.unitOfWork) return;
      const unit = under.unitOfWork.run(async () => {
        await under.directory.replacePasswordHash(sam.id, 'first hash', 'second hash');
        assert.equal((await under.directory.findByLogin(sam.email))?.passwordHash, 'second hash');
        throw new Error('undone');
      });
      await assert.rejects(unit, /undone/);
      matches(await under.directory.findByLogin(sam.email), sam);
    });
  });
}

/** The promises of the optional methods `setActive` and `setRoles` of a `UserDirectory`. */
export function userAdministrationContract({ make }: UnderTest<UserAdministrationPorts>): readonly ContractCase[] {
  let under: UserAdministrationPorts;
  let sam: UserWithPassword;
  const open = async () => (under = await make());
  const newId = () => under.newId?.() ?? uuidv7();
  const added = (changes?: Partial<UserWithPassword>) => addUser(under, changes);
  return collected(open, ({ beforeEach, describe, it }) => {
    beforeEach(async () => {
      sam = await added();
    });

    it('changes roles and activity, and says when there is no such user', async () => {
      assert.equal(await under.directory.setRoles!(sam.id, ['clerk']), 'changed');
      assert.equal(await under.directory.setActive!(sam.id, false), 'changed');
      matches(await under.directory.findById(sam.id), { roles: ['clerk'], isActive: false });
      assert.equal(await under.directory.setActive!(sam.id, true), 'changed');
      matches(await under.directory.findById(sam.id), { isActive: true });
      assert.equal(await under.directory.setRoles!(newId(), ['admin']), 'user_not_found');
      assert.equal(await under.directory.setActive!(newId(), false), 'user_not_found');
    });

    describe('of administrators', () => {
      let kim: UserWithPassword;
      beforeEach(async () => {
        await under.noAdministrators();
        kim = await added({ roles: ['admin', 'user'] });
      });

      it('lets the last one be neither demoted nor deactivated', async () => {
        assert.equal(await under.directory.setRoles!(kim.id, ['user']), 'last_admin');
        assert.equal(await under.directory.setActive!(kim.id, false), 'last_admin');
        matches(await under.directory.findById(kim.id), { roles: ['admin', 'user'], isActive: true });
      });

      it('lets the last one be changed in other ways', async () => {
        assert.equal(await under.directory.setRoles!(kim.id, ['admin', 'clerk']), 'changed');
        assert.equal(await under.directory.setActive!(kim.id, true), 'changed');
      });

      it('does not count those who are inactive, and does not spare them', async () => {
        await added({ roles: ['admin'], isActive: false });
        assert.equal(await under.directory.setRoles!(kim.id, []), 'last_admin');
        const pat = await added({ roles: ['admin'], isActive: false });
        assert.equal(await under.directory.setRoles!(pat.id, []), 'changed');
      });

      // Seen red without the lock: both see the other one, and nobody is left.
      for (const how of ['setRoles', 'setActive'] as const) {
        it(`lets one of two go when both are asked at once by ${how}`, async () => {
          await under.directory.setRoles!(sam.id, ['admin']);
          const go = (id: string) =>
            how === 'setRoles' ? under.directory.setRoles!(id, []) : under.directory.setActive!(id, false);
          same((await Promise.all([go(sam.id), go(kim.id)])).sort(), ['changed', 'last_admin']);
        });
      }
    });

    it('changes one user only', async () => {
      const kim = await added();
      await under.directory.setRoles!(sam.id, []);
      await under.directory.setActive!(sam.id, false);
      matches(await under.directory.findByLogin(kim.email), kim);
    });

    it('joins the current unit of work, where it is in the same database', async () => {
      if (!under.unitOfWork) return;
      const unit = under.unitOfWork.run(async () => {
        await under.directory.setRoles!(sam.id, []);
        await under.directory.setActive!(sam.id, false);
        matches(await under.directory.findById(sam.id), { roles: [], isActive: false });
        throw new Error('undone');
      });
      await assert.rejects(unit, /undone/);
      matches(await under.directory.findByLogin(sam.email), sam);
    });
  });
}
