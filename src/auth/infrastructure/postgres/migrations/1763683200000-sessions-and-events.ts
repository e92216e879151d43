import type { MigrationInterface, QueryRunner } from 'typeorm';

export class SessionsAndEvents1763683200000 implements MigrationInterface {
  name = 'SessionsAndEvents1763683200000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE sessions (
        id                         uuid PRIMARY KEY,
        user_id                    uuid NOT NULL,
        generation                 integer NOT NULL DEFAULT 0 CHECK (generation >= 0),
        token_hash                 bytea NOT NULL CHECK (octet_length(token_hash) = 32),
        previous_token_hash        bytea CHECK (octet_length(previous_token_hash) = 32),
        successor_nonce            bytea CHECK (octet_length(successor_nonce) = 16),
        key_id                     smallint NOT NULL CHECK (key_id BETWEEN 0 AND 255),
        retry_key_hash             bytea CHECK (octet_length(retry_key_hash) = 32),
        keyed                      boolean NOT NULL DEFAULT false,
        replay_count               integer NOT NULL DEFAULT 0,
        rotated_at                 timestamptz,
        token_version              integer NOT NULL,
        global_version_at_issuance integer NOT NULL,
        delivery                   text NOT NULL CHECK (delivery IN ('body', 'cookie')),
        created_at                 timestamptz NOT NULL DEFAULT now(),
        last_used_at               timestamptz NOT NULL DEFAULT now(),
        expires_at                 timestamptz NOT NULL,
        absolute_expires_at        timestamptz NOT NULL,
        revoked_at                 timestamptz,
        revoked_reason             text CHECK (revoked_reason IN (
          'user_logout', 'user_logout_all', 'password_changed', 'admin_action', 'user_deactivated', 'reuse_detected',
          'token_version_rejected', 'session_limit_exceeded', 'session_revoked')),
        device_id                  text,
        device_name                text,
        user_agent                 text NOT NULL,
        ip_address                 inet,
        last_user_agent            text,
        last_ip_address            inet,
        CHECK (expires_at <= absolute_expires_at),
        CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
      ) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05)`);
    await queryRunner.query(`CREATE INDEX sessions_user_id ON sessions (user_id)`);
    await queryRunner.query(`
      CREATE FUNCTION ratchet_keep_absolute_expiry() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.absolute_expires_at IS DISTINCT FROM OLD.absolute_expires_at THEN
          RAISE EXCEPTION 'absolute_expires_at of session % is set once, at login', OLD.id USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
      END $$`);
    await queryRunner.query(`
      CREATE TRIGGER sessions_keep_absolute_expiry BEFORE UPDATE OF absolute_expires_at ON sessions
        FOR EACH ROW EXECUTE FUNCTION ratchet_keep_absolute_expiry()`);

    await queryRunner.query(`
      CREATE TABLE user_token_versions (
        user_id           uuid PRIMARY KEY,
        min_token_version integer NOT NULL CHECK (min_token_version >= 1),
        raised_at         timestamptz NOT NULL DEFAULT now(),
        reason            text NOT NULL
      )`);

    await queryRunner.query(`
      CREATE TABLE security_policy (
        id                       smallint PRIMARY KEY CHECK (id = 1),
        global_min_token_version integer NOT NULL DEFAULT 1 CHECK (global_min_token_version >= 1),
        grace_period_seconds     integer NOT NULL DEFAULT 300 CHECK (grace_period_seconds >= 0),
        rotation_mode            text NOT NULL DEFAULT 'immediate' CHECK (rotation_mode IN ('immediate', 'drain', 'migrate')),
        grace_ends_at            timestamptz,
        last_rotation_at         timestamptz,
        last_rotation_reason     text,
        created_at               timestamptz NOT NULL DEFAULT now(),
        updated_at               timestamptz NOT NULL DEFAULT now()
      )`);
    await queryRunner.query(`INSERT INTO security_policy (id) VALUES (1)`);

    await queryRunner.query(`
      CREATE TABLE auth_events (
        id          uuid NOT NULL,
        type        text NOT NULL,
        occurred_at timestamptz NOT NULL,
        attempt_id  uuid,
        user_id     uuid,
        session_id  uuid,
        generation  bigint,
        ip_address  inet,
        user_agent  text NOT NULL,
        outcome     text NOT NULL CHECK (outcome IN ('attempted', 'succeeded', 'failed')),
        reason      text,
        details     jsonb NOT NULL DEFAULT '{}',
        PRIMARY KEY (occurred_at, id)
      ) PARTITION BY RANGE (occurred_at)`);
    await queryRunner.query(`CREATE TABLE auth_events_default PARTITION OF auth_events DEFAULT`);
    await queryRunner.query(`CREATE INDEX auth_events_session ON auth_events (session_id, occurred_at)`);
    await queryRunner.query(`CREATE INDEX auth_events_user ON auth_events (user_id, occurred_at)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE auth_events`);
    await queryRunner.query(`DROP TABLE security_policy`);
    await queryRunner.query(`DROP TABLE user_token_versions`);
    await queryRunner.query(`DROP TABLE sessions`);
    await queryRunner.query(`DROP FUNCTION ratchet_keep_absolute_expiry()`);
  }
}
