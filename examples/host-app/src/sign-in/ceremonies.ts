import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { InjectRepository } from '@nestjs/typeorm';
import { AuthOptions, type HttpRequest } from 'nest-ratchet';
import { Column, Entity, PrimaryColumn, Repository } from 'typeorm';

/** What the server must remember between the two requests of a sign-in. */
@Entity('ceremonies')
export class Ceremony {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text')
  kind!: string;

  @Column('jsonb')
  data!: Record<string, string>;
}

const COOKIE = 'ceremony';
const SECONDS = 600;

/** Sign-ins that have begun: each belongs to the browser that has its cookie, and is taken once, within ten minutes. */
@Injectable()
export class Ceremonies {
  constructor(
    @InjectRepository(Ceremony) private readonly ceremonies: Repository<Ceremony>,
    private readonly adapterHost: HttpAdapterHost,
    private readonly options: AuthOptions,
  ) {}

  async begin(kind: string, data: Record<string, string>, response: unknown): Promise<void> {
    const id = randomUUID();
    await this.ceremonies.query('DELETE FROM ceremonies WHERE begun_at < now() - make_interval(secs => $1)', [SECONDS]);
    await this.ceremonies.insert({ id, kind, data });
    // Lax: a provider sends the browser back from another site.
    const attributes = `Path=/; Max-Age=${SECONDS}; HttpOnly; SameSite=Lax${this.options.secureCookies ? '; Secure' : ''}`;
    this.adapterHost.httpAdapter.appendHeader(response, 'Set-Cookie', `${COOKIE}=${id}; ${attributes}`);
  }

  /** What was given to `begin`; null for a request without a ceremony of this kind. */
  async take(kind: string, { headers }: HttpRequest): Promise<Record<string, string> | null> {
    const [, id] =
      /(?:^|; ?)ceremony=([\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})(?:;|$)/.exec(headers.cookie ?? '') ?? [];
    if (id === undefined) return null;
    const { raw } = await this.ceremonies
      .createQueryBuilder()
      .delete()
      .where('id = :id AND kind = :kind', { id, kind })
      .andWhere('begun_at >= now() - make_interval(secs => :seconds)', { seconds: SECONDS })
      .returning('data')
      .execute();
    return (raw as Ceremony[])[0]?.data ?? null;
  }
}
