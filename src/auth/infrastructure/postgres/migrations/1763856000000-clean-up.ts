import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CleanUp1763856000000 implements MigrationInterface {
  name = 'CleanUp1763856000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    // The one column of time that a rotation never changes, so the index costs rotations nothing.
    await queryRunner.query(`CREATE INDEX sessions_absolute_expires_at ON sessions (absolute_expires_at)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP INDEX sessions_absolute_expires_at`);
  }
}
