import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The application's accounts, in the schema of auth's tables. */
export function users(schema: string): new () => MigrationInterface {
  const [users, firstAdmin, remember] = ['users', 'first_admin', 'users_remember_first_admin'].map(
    (name) => `"${schema}".${name}`,
  );

  return class implements MigrationInterface {
    name = `Ratchet_${schema}_Users1763683300000`;

    async up(queryRunner: QueryRunner): Promise<void> {
      await queryRunner.query(`
        CREATE TABLE ${users} (
          id            uuid PRIMARY KEY,
          email         text NOT NULL CONSTRAINT users_email_key UNIQUE,
          password_hash text NOT NULL,
          display_name  text,
          roles         text[] NOT NULL,
          is_active     boolean NOT NULL DEFAULT true,
          created_at    timestamptz NOT NULL DEFAULT now(),
          updated_at    timestamptz NOT NULL DEFAULT now()
        )`);

      // That an account has once held the role must outlive the role and the account, however these are changed: otherwise
      // a removed administrator's bootstrap password would open a new account at the next start.
      await queryRunner.query(`
        CREATE TABLE ${firstAdmin} (
          id      smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
          user_id uuid NOT NULL,
          since   timestamptz NOT NULL DEFAULT now()
        )`);
      await queryRunner.query(`
        CREATE FUNCTION ${remember}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          INSERT INTO ${firstAdmin} (user_id) VALUES (NEW.id) ON CONFLICT DO NOTHING;
          RETURN NULL;
        END $$`);
      await queryRunner.query(`
        CREATE TRIGGER users_remember_first_admin AFTER INSERT OR UPDATE OF roles ON ${users}
          FOR EACH ROW WHEN ('admin' = ANY (NEW.roles)) EXECUTE FUNCTION ${remember}()`);
    }

    async down(queryRunner: QueryRunner): Promise<void> {
      await queryRunner.query(`DROP TABLE ${users}`);
      await queryRunner.query(`DROP FUNCTION ${remember}()`);
      await queryRunner.query(`DROP TABLE ${firstAdmin}`);
    }
  };
}
