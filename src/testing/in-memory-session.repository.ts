import {
  AUTH_DEFAULTS,
  lastUsedFirst,
  type LiveToken,
  type NewSession,
  type NextToken,
  type RefreshReading,
  type RefreshRecord,
  type Replay,
  type RevocationReason,
  type Session,
  SessionRepository,
  type SomeSessions,
} from '../index';
import type { InMemoryAuthEventLog } from './in-memory-auth-event.log';
import type { InMemoryRevocationFeed } from './in-memory-revocation.feed';
import type { InMemorySecurityPolicyRepository } from './in-memory-security-policy.repository';
import type { InMemoryStore } from './in-memory-store';

const ONE_DAY_MS = 24 * 60 * 60 * 1000;

/** The session rows in memory. The users are elsewhere: a refresh asks the directory. */
export class InMemorySessionRepository extends SessionRepository {
  constructor(
    private readonly store: InMemoryStore,
    private readonly policies: InMemorySecurityPolicyRepository,
    private readonly log: InMemoryAuthEventLog,
    private readonly feed: InMemoryRevocationFeed,
    private readonly retentionSeconds: number = AUTH_DEFAULTS.sessionRetentionSeconds,
  ) {
    super();
  }

  open({ idleTtlSeconds, absoluteTtlSeconds, ...columns }: NewSession): Promise<Session> {
    return this.store.alone(async () => {
      if (this.store.sessions.has(columns.id)) this.store.violated(`Session ${columns.id} is stored already`);
      this.store.demandText(columns.deviceId, columns.deviceName, columns.userAgent);
      const now = this.store.clock.now();
      const after = (seconds: number) => new Date(now.getTime() + seconds * 1000);
      const session: Session = {
        ...columns,
        generation: 0,
        previousTokenHash: null,
        successorNonce: null,
        retryKeyHash: null,
        keyed: false,
        replayCount: 0,
        rotatedAt: null,
        createdAt: now,
        lastUsedAt: now,
        expiresAt: after(Math.min(idleTtlSeconds, absoluteTtlSeconds)),
        absoluteExpiresAt: after(absoluteTtlSeconds),
        revokedAt: null,
        revokedReason: null,
        lastUserAgent: null,
        lastIpAddress: null,
      };
      this.store.sessions.set(session.id, session);
      return session;
    });
  }

  findForRefresh(id: string): Promise<RefreshReading | null> {
    return this.store.alone(async () => {
      const session = this.find(id);
      if (session === null) return null;
      return { session, user: undefined, ...(await this.policies.floorsOf(session.userId)) };
    });
  }

  rotate(
    live: LiveToken,
    { expiresAt, userAgent, ipAddress, ...next }: NextToken,
    record: RefreshRecord,
  ): Promise<boolean> {
    return this.change(live, record, (session, now) => ({
      ...session,
      ...next,
      generation: session.generation + 1,
      previousTokenHash: session.tokenHash,
      keyed: session.keyed || next.retryKeyHash !== null,
      replayCount: 0,
      rotatedAt: now,
      lastUsedAt: now,
      expiresAt: expiresAt < session.absoluteExpiresAt ? expiresAt : session.absoluteExpiresAt,
      lastUserAgent: userAgent,
      lastIpAddress: ipAddress,
    }));
  }

  confirmReplay(live: LiveToken, { door, maxReplays, retryKeyHash }: Replay, record: RefreshRecord): Promise<boolean> {
    return this.change(live, record, (session) => {
      if (session.keyed !== live.keyed || (door === 'window' && session.replayCount >= maxReplays)) return null;
      const replayCount = session.replayCount + (door === 'window' ? 1 : 0);
      return {
        ...session,
        replayCount,
        retryKeyHash: session.retryKeyHash ?? retryKeyHash,
        keyed: session.keyed || retryKeyHash !== null,
      };
    });
  }

  revoke(id: string, reason: RevocationReason, asRead?: Pick<LiveToken, 'generation' | 'tokenHash'>): Promise<boolean> {
    return this.store.alone(async () => {
      const session = this.find(id);
      if (session?.revokedAt !== null) return false;
      if (asRead && !(session.generation === asRead.generation && session.tokenHash.equals(asRead.tokenHash)))
        return false;
      this.end(session, reason);
      if (reason !== 'token_version_rejected') this.feed.announce([{ kind: 'session', sessionId: id }]);
      return true;
    });
  }

  revokeAllOfUser(userId: string, reason: RevocationReason): Promise<string[]> {
    return this.endLive((live) => live.filter((session) => session.userId === userId), reason);
  }

  revokeSome(which: SomeSessions, reason: RevocationReason): Promise<string[]> {
    return this.store.alone(async () => {
      const ended = await this.endLive((live) => {
        const own = live.filter(({ userId }) => userId === which.userId);
        return 'except' in which
          ? own.filter(({ id }) => id !== which.except)
          : own.sort(lastUsedFirst).slice(which.keepLastUsed);
      }, reason);
      this.feed.announce(ended.map((sessionId) => ({ kind: 'session', sessionId })));
      return ended;
    });
  }

  findLiveOfUser(userId: string): Promise<Session[]> {
    return this.store.alone(async () =>
      this.live()
        .filter((session) => session.userId === userId)
        .sort(lastUsedFirst),
    );
  }

  deleteEnded(limit: number): Promise<number> {
    return this.store.alone(async () => {
      const gone = this.gone().slice(0, limit);
      for (const { id } of gone) this.store.sessions.delete(id);
      return gone.length;
    });
  }

  countEnded(): Promise<number> {
    return this.store.alone(async () => this.gone().length);
  }

  revokeAll(reason: RevocationReason): Promise<number> {
    return this.endLive((live) => live, reason).then((ended) => ended.length);
  }

  findById(id: string): Promise<Session | null> {
    return this.store.alone(async () => this.find(id));
  }

  countBelowGlobal(version: number): Promise<number> {
    return this.store.alone(
      async () => this.live().filter(({ globalVersionAtIssuance }) => globalVersionAtIssuance < version).length,
    );
  }

  estimate(): Promise<number> {
    return this.store.alone(async () => this.store.sessions.size);
  }

  countReuses(userId: string): Promise<number> {
    return this.store.alone(async () => {
      const since = this.store.clock.now().getTime() - ONE_DAY_MS;
      return this.of(userId).filter(
        (session) =>
          session.revokedReason === 'reuse_detected' &&
          session.revokedAt !== null &&
          session.revokedAt.getTime() > since &&
          !this.isGone(session),
      ).length;
    });
  }

  /** Nothing to do: one unit of work runs at a time. */
  async lockUser(): Promise<void> {}

  private change(
    live: LiveToken,
    record: RefreshRecord,
    changed: (session: Session, now: Date) => Session | null,
  ): Promise<boolean> {
    return this.store.alone(async () => {
      const now = this.store.clock.now();
      const session = this.store.sessions.get(live.id);
      const isLive =
        session?.generation === live.generation &&
        session.tokenHash.equals(live.tokenHash) &&
        session.revokedAt === null &&
        session.expiresAt > now;
      const next = isLive ? changed(session, now) : null;
      if (next === null) return false;
      this.store.sessions.set(next.id, next);
      await this.log.append(record);
      return true;
    });
  }

  private endLive(choose: (live: Session[]) => Session[], reason: RevocationReason): Promise<string[]> {
    return this.store.alone(async () => {
      const ended = choose(this.live());
      for (const session of ended) this.end(session, reason);
      return ended.map(({ id }) => id);
    });
  }

  private find(id: string): Session | null {
    const session = this.store.sessions.get(id);
    return session === undefined || this.isGone(session) ? null : session;
  }

  private gone(): Session[] {
    return [...this.store.sessions.values()].filter((session) => this.isGone(session));
  }

  private isGone({ absoluteExpiresAt }: Session): boolean {
    return absoluteExpiresAt.getTime() < this.store.clock.now().getTime() - this.retentionSeconds * 1000;
  }

  private live(): Session[] {
    const now = this.store.clock.now();
    return [...this.store.sessions.values()].filter(
      ({ revokedAt, expiresAt }) => revokedAt === null && expiresAt > now,
    );
  }

  private of(userId: string): Session[] {
    return [...this.store.sessions.values()].filter((session) => session.userId === userId);
  }

  private end(session: Session, revokedReason: RevocationReason): void {
    this.store.sessions.set(session.id, { ...session, revokedAt: this.store.clock.now(), revokedReason });
  }
}
