import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateTables1780000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE people (
        id uuid PRIMARY KEY,
        email text NOT NULL UNIQUE,
        password_hash text NOT NULL,
        roles text[] NOT NULL DEFAULT '{}',
        is_active boolean NOT NULL DEFAULT true
      )`);
    await runner.query(`
      CREATE TABLE accounts (
        id uuid PRIMARY KEY,
        owner_id uuid NOT NULL REFERENCES people,
        name text NOT NULL,
        balance_cents bigint NOT NULL DEFAULT 0
      )`);
    await runner.query(`
      CREATE TABLE passkeys (
        id text PRIMARY KEY,
        person_id uuid NOT NULL REFERENCES people,
        public_key bytea NOT NULL,
        counter bigint NOT NULL,
        used_at timestamptz
      )`);
    await runner.query(`
      CREATE TABLE identities (
        issuer text NOT NULL,
        subject text NOT NULL,
        person_id uuid NOT NULL REFERENCES people,
        used_at timestamptz,
        PRIMARY KEY (issuer, subject)
      )`);
    await runner.query(`
      CREATE TABLE ceremonies (
        id uuid PRIMARY KEY,
        kind text NOT NULL,
        data jsonb NOT NULL,
        begun_at timestamptz NOT NULL DEFAULT now()
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE ceremonies, identities, passkeys, accounts');
    await runner.query('DROP TABLE people');
  }
}
