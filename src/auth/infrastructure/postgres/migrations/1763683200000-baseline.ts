import type { MigrationInterface, QueryRunner } from 'typeorm';
import { createSchema } from '../../../../postgres/create-schema';
import type { Names } from '../names';

/** A migration that waits for a lock makes all wait who come after it. */
const LOCK_TIMEOUT = '1s';

/** Everything that auth has in a database, in a schema of its own. */
export function baseline(names: Names): new () => MigrationInterface {
  const { schema, inSchema, sessions, events, floors, policy, revocations } = names;

  return class implements MigrationInterface {
    name = names.typeOrm('Baseline1763683200000'); // TypeORM wants the time last

    async up(queryRunner: QueryRunner): Promise<void> {
      await withLockTimeout(queryRunner, async () => {
        await createSchema(queryRunner, schema);
        await this.createSessions(queryRunner);
        await this.createVersions(queryRunner);
        await this.createRevocations(queryRunner);
        await this.createEvents(queryRunner);
      });
    }

    /** Without the schema, which may hold more than this: TypeORM's own table, and the application's. */
    async down(queryRunner: QueryRunner): Promise<void> {
      for (const table of [events, revocations, policy, floors, sessions])
        await queryRunner.query(`DROP TABLE ${table}`);
      for (const name of [
        'ratchet_keep_absolute_expiry',
        'ratchet_know_session_words',
        'ratchet_only_raise_policy',
        'ratchet_only_raise_user',
      ])
        await queryRunner.query(`DROP FUNCTION ${inSchema(name)}()`);
    }

    private async createSessions(queryRunner: QueryRunner): Promise<void> {
      await queryRunner.query(`
        CREATE TABLE ${sessions} (
          id                         uuid PRIMARY KEY,
          user_id                    text NOT NULL,
          generation                 integer NOT NULL DEFAULT 0,
          token_hash                 bytea NOT NULL,
          previous_token_hash        bytea,
          successor_nonce            bytea,
          key_id                     smallint NOT NULL,
          retry_key_hash             bytea,
          keyed                      boolean NOT NULL DEFAULT false,
          replay_count               integer NOT NULL DEFAULT 0,
          rotated_at                 timestamptz,
          token_version              integer NOT NULL,
          global_version_at_issuance integer NOT NULL,
          delivery                   text NOT NULL,
          created_at                 timestamptz NOT NULL DEFAULT now(),
          last_used_at               timestamptz NOT NULL DEFAULT now(),
          expires_at                 timestamptz NOT NULL,
          absolute_expires_at        timestamptz NOT NULL,
          revoked_at                 timestamptz,
          revoked_reason             text,
          device_id                  text,
          device_name                text,
          user_agent                 text NOT NULL,
          ip_address                 inet,
          last_user_agent            text,
          last_ip_address            inet,
          auth_time                  timestamptz,
          amr                        text[],
          acr                        text,
          claims                     jsonb,
          binding                    jsonb,
          CONSTRAINT sessions_check CHECK (expires_at <= absolute_expires_at)
        ) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05)`);
      await queryRunner.query(`CREATE INDEX sessions_user_id ON ${sessions} (user_id)`);
      // The one column of time that a rotation never changes, so the index costs rotations nothing.
      await queryRunner.query(`CREATE INDEX sessions_absolute_expires_at ON ${sessions} (absolute_expires_at)`);
      await queryRunner.query(`
        CREATE FUNCTION ${inSchema('ratchet_keep_absolute_expiry')}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.absolute_expires_at IS DISTINCT FROM OLD.absolute_expires_at THEN
            RAISE EXCEPTION 'absolute_expires_at of session % is set once, at login', OLD.id USING ERRCODE = 'check_violation';
          END IF;
          RETURN NEW;
        END $$`);
      await queryRunner.query(`
        CREATE TRIGGER sessions_keep_absolute_expiry BEFORE UPDATE OF absolute_expires_at ON ${sessions}
          FOR EACH ROW EXECUTE FUNCTION ${inSchema('ratchet_keep_absolute_expiry')}()`);
      // What only logins and revocations write: a CHECK would be read anew by every rotation (ADR 12).
      await queryRunner.query(`
        CREATE FUNCTION ${inSchema('ratchet_know_session_words')}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.delivery NOT IN ('body', 'cookie') THEN
            RAISE EXCEPTION 'delivery of session % is unknown: %', NEW.id, NEW.delivery USING ERRCODE = 'check_violation';
          END IF;
          IF NEW.revoked_reason NOT IN (
            'user_logout', 'user_logout_all', 'password_changed', 'admin_action', 'user_deactivated', 'reuse_detected',
            'token_version_rejected', 'session_limit_exceeded', 'session_revoked', 'password_reset', 'factor_changed') THEN
            RAISE EXCEPTION 'revoked_reason of session % is unknown: %', NEW.id, NEW.revoked_reason
              USING ERRCODE = 'check_violation';
          END IF;
          IF (NEW.revoked_at IS NULL) <> (NEW.revoked_reason IS NULL) THEN
            RAISE EXCEPTION 'revoked_at and revoked_reason of session % go together', NEW.id
              USING ERRCODE = 'check_violation';
          END IF;
          RETURN NEW;
        END $$`);
      await queryRunner.query(`
        CREATE TRIGGER sessions_know_their_words BEFORE INSERT OR UPDATE OF delivery, revoked_at, revoked_reason ON ${sessions}
          FOR EACH ROW EXECUTE FUNCTION ${inSchema('ratchet_know_session_words')}()`);
    }

    private async createVersions(queryRunner: QueryRunner): Promise<void> {
      await queryRunner.query(`
        CREATE TABLE ${floors} (
          user_id           text PRIMARY KEY,
          min_token_version integer NOT NULL
            CONSTRAINT user_token_versions_min_token_version_check CHECK (min_token_version >= 1),
          ended_below       integer NOT NULL DEFAULT 0,
          ended_reason      text,
          raised_at         timestamptz NOT NULL DEFAULT now(),
          reason            text NOT NULL,
          CONSTRAINT user_token_versions_ended_check
            CHECK (ended_below <= min_token_version AND (ended_below = 0) = (ended_reason IS NULL))
        )`);
      await queryRunner.query(
        `CREATE INDEX user_token_versions_ended ON ${floors} (raised_at, user_id) WHERE ended_below > 0`,
      );
      await queryRunner.query(`
        CREATE FUNCTION ${inSchema('ratchet_only_raise_user')}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.min_token_version <= OLD.min_token_version THEN
            RAISE EXCEPTION 'min_token_version of user % only rises: % is not above %',
              OLD.user_id, NEW.min_token_version, OLD.min_token_version USING ERRCODE = 'check_violation';
          END IF;
          RETURN NEW;
        END $$`);
      await queryRunner.query(`
        CREATE TRIGGER user_token_versions_only_rise BEFORE UPDATE ON ${floors}
          FOR EACH ROW EXECUTE FUNCTION ${inSchema('ratchet_only_raise_user')}()`);

      await queryRunner.query(`
        CREATE TABLE ${policy} (
          id                       smallint PRIMARY KEY CONSTRAINT security_policy_id_check CHECK (id = 1),
          global_min_token_version integer NOT NULL DEFAULT 1
            CONSTRAINT security_policy_global_min_token_version_check CHECK (global_min_token_version >= 1),
          grace_period_seconds     integer NOT NULL DEFAULT 300
            CONSTRAINT security_policy_grace_period_seconds_check CHECK (grace_period_seconds >= 0),
          rotation_mode            text NOT NULL DEFAULT 'immediate'
            CONSTRAINT security_policy_rotation_mode_check CHECK (rotation_mode IN ('immediate', 'drain', 'migrate')),
          grace_ends_at            timestamptz,
          last_rotation_at         timestamptz,
          last_rotation_reason     text,
          recovery_until           timestamptz,
          created_at               timestamptz NOT NULL DEFAULT now(),
          updated_at               timestamptz NOT NULL DEFAULT now()
        )`);
      await queryRunner.query(`INSERT INTO ${policy} (id) VALUES (1)`);
      await queryRunner.query(`
        CREATE FUNCTION ${inSchema('ratchet_only_raise_policy')}() RETURNS trigger LANGUAGE plpgsql AS $$
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
        CREATE TRIGGER security_policy_only_rises BEFORE UPDATE ON ${policy}
          FOR EACH ROW EXECUTE FUNCTION ${inSchema('ratchet_only_raise_policy')}()`);
    }

    private async createRevocations(queryRunner: QueryRunner): Promise<void> {
      await queryRunner.query(`
        CREATE TABLE ${revocations} (
          id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
          xid         xid8 NOT NULL DEFAULT pg_current_xact_id(),
          kind        text NOT NULL CHECK (kind IN ('global', 'user', 'session')),
          subject_id  text,
          min_version integer,
          reason      text NOT NULL,
          created_at  timestamptz NOT NULL DEFAULT now(),
          CHECK ((kind = 'global') = (subject_id IS NULL)),
          CHECK ((kind = 'session') = (min_version IS NULL))
        )`);
      await queryRunner.query(`CREATE INDEX revocations_xid ON ${revocations} (xid)`);
      await queryRunner.query(`CREATE INDEX revocations_created_at ON ${revocations} (created_at)`);
    }

    private async createEvents(queryRunner: QueryRunner): Promise<void> {
      await queryRunner.query(`
        CREATE TABLE ${events} (
          id          uuid NOT NULL,
          type        text NOT NULL,
          occurred_at timestamptz NOT NULL,
          attempt_id  uuid,
          user_id     text,
          session_id  uuid,
          generation  bigint,
          ip_address  inet,
          user_agent  text NOT NULL,
          outcome     text NOT NULL,
          reason      text,
          details     jsonb NOT NULL DEFAULT '{}',
          PRIMARY KEY (occurred_at, id)
        ) PARTITION BY RANGE (occurred_at)`);
      await queryRunner.query(`CREATE TABLE ${inSchema('auth_events_default')} PARTITION OF ${events} DEFAULT`);
      await queryRunner.query(`CREATE INDEX auth_events_session ON ${events} (session_id, occurred_at)`);
      await queryRunner.query(`CREATE INDEX auth_events_user ON ${events} (user_id, occurred_at)`);
      // For what an incident asks. A granted refresh is in neither: its type, and its outcome, are most of the log, so that
      // a page of them is found in the order of the primary key.
      await queryRunner.query(
        `CREATE INDEX auth_events_type ON ${events} (type, occurred_at)
          WHERE type NOT IN ('auth.token_refresh.attempted.v1', 'auth.token_refresh.succeeded.v1')`,
      );
      await queryRunner.query(`CREATE INDEX auth_events_failed ON ${events} (occurred_at) WHERE outcome = 'failed'`);
    }
  };
}

/** Within the runner's transaction, which has a limit of its own for what comes before and after. */
async function withLockTimeout(queryRunner: QueryRunner, work: () => Promise<void>): Promise<void> {
  const [before] = (await queryRunner.query(`SELECT current_setting('lock_timeout') AS value`)) as { value: string }[];
  const set = (value: string) => queryRunner.query(`SELECT set_config('lock_timeout', $1, true)`, [value]);
  await set(LOCK_TIMEOUT);
  await work();
  await set(before?.value ?? '0');
}
