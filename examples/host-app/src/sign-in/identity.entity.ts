import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A person as another service knows them. Issuer and subject are the only name that never changes (OpenID Connect Core 2). */
@Entity('identities')
export class Identity {
  @PrimaryColumn('text')
  issuer!: string;

  @PrimaryColumn('text')
  subject!: string;

  @Column('uuid', { name: 'person_id' })
  personId!: string;

  @Column('timestamptz', { name: 'used_at', nullable: true })
  usedAt!: Date | null;
}
