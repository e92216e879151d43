import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Revocations1763769600000 implements MigrationInterface {
  name = 'Revocations1763769600000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE revocations (
        id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        xid         xid8 NOT NULL DEFAULT pg_current_xact_id(),
        kind        text NOT NULL CHECK (kind IN ('global', 'user', 'session')),
        subject_id  uuid,
        min_version integer,
        reason      text NOT NULL,
        created_at  timestamptz NOT NULL DEFAULT now(),
        CHECK ((kind = 'global') = (subject_id IS NULL)),
        CHECK ((kind = 'session') = (min_version IS NULL))
      )`);
    await queryRunner.query(`CREATE INDEX revocations_xid ON revocations (xid)`);
    await queryRunner.query(`CREATE INDEX revocations_created_at ON revocations (created_at)`);

    await queryRunner.query(`
      CREATE FUNCTION ratchet_only_raise_policy() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.global_min_token_version < OLD.global_min_token_version
           OR (NEW.last_rotation_at IS DISTINCT FROM OLD.last_rotation_at
               AND NEW.global_min_token_version = OLD.global_min_token_version) THEN
          RAISE EXCEPTION 'global_min_token_version only rises: % is not above %',
            NEW.global_min_token_version, OLD.global_min_token_version USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
      END $$`);
    await queryRunner.query(`
      CREATE TRIGGER security_policy_only_rises BEFORE UPDATE ON security_policy
        FOR EACH ROW EXECUTE FUNCTION ratchet_only_raise_policy()`);
    await queryRunner.query(`
      CREATE FUNCTION ratchet_only_raise_user() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.min_token_version <= OLD.min_token_version THEN
          RAISE EXCEPTION 'min_token_version of user % only rises: % is not above %',
            OLD.user_id, NEW.min_token_version, OLD.min_token_version USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
      END $$`);
    await queryRunner.query(`
      CREATE TRIGGER user_token_versions_only_rise BEFORE UPDATE ON user_token_versions
        FOR EACH ROW EXECUTE FUNCTION ratchet_only_raise_user()`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TRIGGER user_token_versions_only_rise ON user_token_versions`);
    await queryRunner.query(`DROP FUNCTION ratchet_only_raise_user()`);
    await queryRunner.query(`DROP TRIGGER security_policy_only_rises ON security_policy`);
    await queryRunner.query(`DROP FUNCTION ratchet_only_raise_policy()`);
    await queryRunner.query(`DROP TABLE revocations`);
  }
}
