import { Column, Entity, PrimaryColumn } from 'typeorm';

@Entity('people')
export class Person {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text', { unique: true })
  email!: string;

  @Column('text', { name: 'password_hash' })
  passwordHash!: string;

  @Column('text', { array: true })
  roles!: string[];

  @Column('boolean', { name: 'is_active' })
  isActive!: boolean;
}
