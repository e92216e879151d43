import { Column, Entity, PrimaryColumn } from 'typeorm';

@Entity('accounts')
export class Account {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'owner_id' })
  ownerId!: string;

  @Column('text')
  name!: string;

  /** PostgreSQL's bigint, so a string. */
  @Column('bigint', { name: 'balance_cents' })
  balanceCents!: string;
}
