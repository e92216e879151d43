import { Column, Entity, PrimaryColumn, Unique } from 'typeorm';
import type { UserWithPassword } from '../index';

@Entity({ name: 'users' })
@Unique('users_email_key', ['email'])
export class UserEntity implements UserWithPassword {
  @PrimaryColumn({ name: 'id', type: 'uuid' })
  id!: string;

  /** Normalised: see `normaliseEmail`. */
  @Column({ name: 'email', type: 'text' })
  email!: string;

  @Column({ name: 'password_hash', type: 'text' })
  passwordHash!: string;

  @Column({ name: 'display_name', type: 'text', nullable: true })
  displayName!: string | null;

  @Column({ name: 'roles', type: 'text', array: true })
  roles!: string[];

  @Column({ name: 'is_active', type: 'boolean', default: true })
  isActive!: boolean;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt!: Date;

  @Column({ name: 'updated_at', type: 'timestamptz', default: () => 'now()' })
  updatedAt!: Date;
}
