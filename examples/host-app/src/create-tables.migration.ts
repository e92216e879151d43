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
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE accounts');
    await runner.query('DROP TABLE people');
  }
}
