import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Pool } from 'pg';

export interface Person {
  readonly id: string;
  readonly email: string;
  readonly passwordHash: string;
  readonly roles: string[];
  readonly isActive: boolean;
}

const COLUMNS = 'id, email, password_hash AS "passwordHash", roles, is_active AS "isActive"';

/** The people, in a table of this application. */
@Injectable()
export class People implements OnModuleInit, OnApplicationShutdown {
  private readonly pool = new Pool({ connectionString: process.env.DATABASE_URL });

  async onModuleInit(): Promise<void> {
    await this.pool.query(`
      CREATE TABLE IF NOT EXISTS people (
        id text PRIMARY KEY,
        email text NOT NULL UNIQUE,
        password_hash text NOT NULL,
        roles text[] NOT NULL DEFAULT '{}',
        is_active boolean NOT NULL DEFAULT true
      )`);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.pool.end();
  }

  async find(column: 'id' | 'email', value: string): Promise<Person | null> {
    const { rows } = await this.pool.query<Person>(`SELECT ${COLUMNS} FROM people WHERE ${column} = $1`, [value]);
    return rows[0] ?? null;
  }

  /** False if the e-mail is taken. */
  async add({ id, email, passwordHash, roles }: Omit<Person, 'isActive'>): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      'INSERT INTO people (id, email, password_hash, roles) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING',
      [id, email, passwordHash, roles],
    );
    return rowCount === 1;
  }

  /** False if the stored hash is not the verified one any more. */
  async replacePasswordHash(id: string, verified: string, next: string): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      'UPDATE people SET password_hash = $3 WHERE id = $1 AND password_hash = $2',
      [id, verified, next],
    );
    return rowCount === 1;
  }
}
