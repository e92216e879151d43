import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A public key of a person. The private key stays in the authenticator. */
@Entity('passkeys')
export class Passkey {
  /** The credential's id, in base64url. */
  @PrimaryColumn('text')
  id!: string;

  @Column('uuid', { name: 'person_id' })
  personId!: string;

  @Column('bytea', { name: 'public_key' })
  publicKey!: Buffer;

  /** Of signatures, which most passkeys leave at 0. PostgreSQL's bigint, so a string. */
  @Column('bigint')
  counter!: string;

  @Column('timestamptz', { name: 'used_at', nullable: true })
  usedAt!: Date | null;
}
