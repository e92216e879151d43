import { v7 as uuidv7 } from 'uuid';
import type { UserDirectory, UserWithPassword } from '../../src';

/** What any directory needs for the suite: a way to put a user into it, and one for its unit of work. */
export interface DirectoryUnderTest {
  readonly directory: UserDirectory;
  add(user: UserWithPassword): Promise<void>;
  /** Makes ordinary users of all administrators, past the port. */
  noAdministrators(): Promise<void>;
  /** Runs `work` in a unit of work that is then rolled back. */
  rolledBack(work: () => Promise<void>): Promise<void>;
}

/** The promises of the port `UserDirectory`, for every implementation. */
export function userDirectoryContract(name: string, underTest: () => DirectoryUnderTest): void {
  describe(`${name} as a UserDirectory`, () => {
    let under: DirectoryUnderTest;
    let sam: UserWithPassword;
    beforeEach(async () => {
      under = underTest();
      const id = uuidv7();
      sam = {
        id,
        email: `sam-${id}@example.com`,
        passwordHash: 'first hash',
        roles: ['user', 'clerk'],
        isActive: true,
      };
      await under.add(sam);
    });

    const storedHash = async () => (await under.directory.findByLogin(sam.email))?.passwordHash;

    it('finds a user by id, active or not, and keeps the hash to itself', async () => {
      const { passwordHash: _, ...user } = sam;
      expect({ ...(await under.directory.findById(sam.id)) }).toEqual(user);
      await under.directory.setActive!(sam.id, false);
      expect({ ...(await under.directory.findById(sam.id)) }).toEqual({ ...user, isActive: false });
    });

    it('finds a user by id with the hash, where it can', async () => {
      const find = under.directory.findByIdWithPassword?.bind(under.directory);
      expect(await find?.(sam.id)).toMatchObject(sam);
      expect(await find?.(uuidv7())).toBeNull();
    });

    it('finds nobody behind an unknown id', async () => {
      expect(await under.directory.findById(uuidv7())).toBeNull();
    });

    // Seen red on PostgreSQL with any text compared to the column.
    it.each(['ann', '7', "O'Neill", '{}', 'x'.repeat(128)])('finds and changes nobody behind the id %j', async (id) => {
      expect(await under.directory.findById(id)).toBeNull();
      expect((await under.directory.findByIdWithPassword?.(id)) ?? null).toBeNull();
      expect(await under.directory.replacePasswordHash(id, 'first hash', 'second hash')).toBe(false);
      expect(await under.directory.setActive!(id, false)).toBe('user_not_found');
      expect(await under.directory.setRoles!(id, [])).toBe('user_not_found');
    });

    it.each([
      ['as it is stored', (email: string) => email],
      ['in capitals', (email: string) => email.toUpperCase()],
      ['with blanks around it', (email: string) => ` ${email}\n`],
      ['in full-width letters', (email: string) => email.replace('sam', 'ｓａｍ').replace('@', '＠')],
    ])('finds a user by login %s, with the hash', async (_, spelling) => {
      expect(await under.directory.findByLogin(spelling(sam.email))).toMatchObject(sam);
    });

    // Seen red with a spelling that is not composed again after the lower case.
    it('finds a user whose login has a letter that is composed only in lower case', async () => {
      const tim = { ...sam, id: uuidv7(), email: `\u1e97im-${sam.id}@example.com` };
      await under.add(tim);
      expect(await under.directory.findByLogin(`T\u0308IM-${sam.id}@example.com`)).toMatchObject(tim);
    });

    it.each(['nobody@example.com', 'sam', '', '\u0000', `${'x'.repeat(5000)}@example.com`])(
      'finds nobody behind the login %j',
      async (login) => {
        expect(await under.directory.findByLogin(login)).toBeNull();
      },
    );

    it('replaces a hash only while the verified one is stored', async () => {
      expect(await under.directory.replacePasswordHash(sam.id, 'another hash', 'second hash')).toBe(false);
      expect(await storedHash()).toBe('first hash');
      expect(await under.directory.replacePasswordHash(sam.id, 'first hash', 'second hash')).toBe(true);
      expect(await storedHash()).toBe('second hash');
    });

    it('lets one of many replacements of the same hash win', async () => {
      const nexts = Array.from({ length: 10 }, (_, i) => `next hash ${i}`);
      const won = await Promise.all(
        nexts.map((next) => under.directory.replacePasswordHash(sam.id, 'first hash', next)),
      );
      expect(won.filter(Boolean)).toHaveLength(1);
      expect(await storedHash()).toBe(nexts[won.indexOf(true)]);
    });

    it('changes roles and activity, and says when there is no such user', async () => {
      expect(await under.directory.setRoles!(sam.id, ['clerk'])).toBe('changed');
      expect(await under.directory.setActive!(sam.id, false)).toBe('changed');
      expect(await under.directory.findById(sam.id)).toMatchObject({ roles: ['clerk'], isActive: false });
      expect(await under.directory.setActive!(sam.id, true)).toBe('changed');
      expect(await under.directory.findById(sam.id)).toMatchObject({ isActive: true });
      expect(await under.directory.setRoles!(uuidv7(), ['admin'])).toBe('user_not_found');
      expect(await under.directory.setActive!(uuidv7(), false)).toBe('user_not_found');
      expect(await under.directory.replacePasswordHash(uuidv7(), 'first hash', 'second hash')).toBe(false);
    });

    describe('of administrators', () => {
      let kim: UserWithPassword;
      beforeEach(async () => {
        await under.noAdministrators();
        kim = { ...sam, id: uuidv7(), email: `kim-${sam.id}@example.com`, roles: ['admin', 'user'] };
        await under.add(kim);
      });

      it('lets the last one be neither demoted nor deactivated', async () => {
        expect(await under.directory.setRoles!(kim.id, ['user'])).toBe('last_admin');
        expect(await under.directory.setActive!(kim.id, false)).toBe('last_admin');
        expect(await under.directory.findById(kim.id)).toMatchObject({ roles: ['admin', 'user'], isActive: true });
      });

      it('lets the last one be changed in other ways', async () => {
        expect(await under.directory.setRoles!(kim.id, ['admin', 'clerk'])).toBe('changed');
        expect(await under.directory.setActive!(kim.id, true)).toBe('changed');
      });

      it('does not count those who are inactive, and does not spare them', async () => {
        await under.add({
          ...sam,
          id: uuidv7(),
          email: `lee-${sam.id}@example.com`,
          roles: ['admin'],
          isActive: false,
        });
        expect(await under.directory.setRoles!(kim.id, [])).toBe('last_admin');
        const pat = { ...sam, id: uuidv7(), email: `pat-${sam.id}@example.com`, roles: ['admin'], isActive: false };
        await under.add(pat);
        expect(await under.directory.setRoles!(pat.id, [])).toBe('changed');
      });

      // Seen red without the lock: both see the other one, and nobody is left.
      it.each(['setRoles', 'setActive'] as const)(
        'lets one of two go when both are asked at once by %s',
        async (how) => {
          await under.directory.setRoles!(sam.id, ['admin']);
          const go = (id: string) =>
            how === 'setRoles' ? under.directory.setRoles!(id, []) : under.directory.setActive!(id, false);
          expect((await Promise.all([go(sam.id), go(kim.id)])).sort()).toEqual(['changed', 'last_admin']);
        },
      );
    });

    it('changes one user only', async () => {
      const kim = { ...sam, id: uuidv7(), email: `kim-${sam.id}@example.com` };
      await under.add(kim);
      await under.directory.setRoles!(sam.id, []);
      await under.directory.setActive!(sam.id, false);
      await under.directory.replacePasswordHash(sam.id, 'first hash', 'second hash');
      expect(await under.directory.findByLogin(kim.email)).toMatchObject(kim);
    });

    it('joins the current unit of work', async () => {
      await under.rolledBack(async () => {
        await under.directory.replacePasswordHash(sam.id, 'first hash', 'second hash');
        await under.directory.setRoles!(sam.id, []);
        await under.directory.setActive!(sam.id, false);
        expect(await storedHash()).toBe('second hash');
      });
      expect(await under.directory.findByLogin(sam.email)).toMatchObject(sam);
    });
  });
}
