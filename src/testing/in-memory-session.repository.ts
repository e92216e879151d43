import {
  type Binding,
  AUTH_DEFAULTS,
  type CrowdedUsers,
  isHonoured,
  lastUsedFirst,
  type LiveToken,
  type NewSession,
  type NextToken,
  type PagePosition,
  type RefreshReading,
  type RefreshRecord,
  type Replay,
  RevocationFeed,
  type RevocationReason,
  type Session,
  type SessionPage,
  SessionRepository,
  type SomeSessions,
} from '../index';
import type { InMemoryAuthEventLog } from './in-memory-auth-event.log';
import type { InMemorySecurityPolicyRepository } from './in-memory-security-policy.repository';
import type { InMemoryStore } from './in-memory-store';

const positionOf = ({ lastUsedAt, id }: Session): PagePosition => ({ time: lastUsedAt.getTime() * 1000, id });

/** In the order of {@link lastUsedFirst}. */
const isAfter = (one: PagePosition, other: PagePosition): boolean =>
  one.time < other.time || (one.time === other.time && one.id < other.id);

const byId = (one: Session, other: Session): number => (one.id < other.id ? -1 : 1);

const ONE_DAY_MS = 24 * 60 * 60 * 1000;

/** The session rows in memory. The users are elsewhere: a refresh asks the directory. */
export class InMemorySessionRepository extends SessionRepository {
  constructor(
    private readonly store: InMemoryStore,
    private readonly policies: InMemorySecurityPolicyRepository,
    private readonly log: InMemoryAuthEventLog,
    private readonly feed: RevocationFeed,
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
      const { floors, now } = await this.policies.floorsOf(session.userId);
      const { endedBelow = 0, endedReason = null } = this.store.userFloors.get(session.userId) ?? {};
      const { recoveryUntil } = this.store;
      return { session, user: undefined, floors: { ...floors, endedBelow, endedReason }, recoveryUntil, now };
    });
  }

  rotate(live: LiveToken, next: NextToken, record: RefreshRecord): Promise<boolean> {
    return this.adopt(live, live, next, record);
  }

  adopt(
    live: LiveToken,
    { generation, tokenHash }: Pick<LiveToken, 'generation' | 'tokenHash'>,
    { expiresAt, userAgent, ipAddress, proof, ...next }: NextToken,
    record: RefreshRecord,
  ): Promise<boolean> {
    return this.change(live, record, (session, now) => ({
      ...session,
      ...next,
      ...proof,
      generation: generation + 1,
      previousTokenHash: tokenHash,
      keyed: session.keyed || next.retryKeyHash !== null,
      replayCount: 0,
      rotatedAt: now,
      lastUsedAt: now,
      expiresAt: expiresAt < session.absoluteExpiresAt ? expiresAt : session.absoluteExpiresAt,
      lastUserAgent: userAgent,
      lastIpAddress: ipAddress,
    }));
  }

  confirmReplay(live: LiveToken, replay: Replay, record: RefreshRecord): Promise<boolean> {
    const { door, maxReplays, retryKeyHash, proof } = replay;
    return this.change(live, record, (session) => {
      if (session.keyed !== live.keyed || (door === 'window' && session.replayCount >= maxReplays)) return null;
      const replayCount = session.replayCount + (door === 'window' ? 1 : 0);
      return {
        ...session,
        ...proof,
        replayCount,
        retryKeyHash: session.retryKeyHash ?? retryKeyHash,
        keyed: session.keyed || retryKeyHash !== null,
      };
    });
  }

  revoke(id: string, reason: RevocationReason, asRead?: Pick<LiveToken, 'generation' | 'tokenHash'>): Promise<boolean> {
    return this.store.alone(async () => {
      const session = this.find(id);
      if (session?.revokedAt !== null || this.isEndedBelow(session)) return false;
      if (asRead && !(session.generation === asRead.generation && session.tokenHash.equals(asRead.tokenHash)))
        return false;
      this.end(session, reason);
      const { recoveryUntil, clock } = this.store;
      const isRecovering = recoveryUntil !== null && clock.now() < recoveryUntil;
      if (reason !== 'token_version_rejected' || isRecovering)
        await this.feed.announce([{ kind: 'session', sessionId: id }], reason);
      return true;
    });
  }

  rename(id: string, deviceName: string | null): Promise<boolean> {
    return this.changeLive(id, (session) => ({ ...session, deviceName }));
  }

  bind({ id, generation }: Pick<Session, 'id' | 'generation'>, binding: Binding): Promise<boolean> {
    return this.changeLive(id, (session) =>
      session.binding === null && session.generation === generation ? { ...session, binding } : null,
    );
  }

  private changeLive(id: string, changed: (session: Session) => Session | null): Promise<boolean> {
    return this.store.alone(async () => {
      const found = this.find(id);
      const session = found && (await this.liveOf(found.userId)).find((one) => one.id === id);
      const next = session && changed(session);
      if (!next) return false;
      this.store.sessions.set(id, next);
      return true;
    });
  }

  revokeSome(which: SomeSessions, reason: RevocationReason, limit: number): Promise<string[]> {
    return this.store.alone(async () => {
      const live = await this.liveOf(which.userId);
      const chosen =
        'except' in which
          ? live.filter(({ id }) => id !== which.except).sort(byId)
          : live.sort(lastUsedFirst).slice(which.keepLastUsed).reverse();
      const ended = this.endAll(chosen.slice(0, limit).sort(byId), reason);
      await this.feed.announce(
        ended.map((sessionId) => ({ kind: 'session', sessionId })),
        reason,
      );
      return ended;
    });
  }

  findCrowdedUsers(max: number): Promise<CrowdedUsers> {
    return this.store.alone(async () => {
      const userIds: string[] = [];
      for (const userId of new Set(this.unended().map((session) => session.userId)))
        if ((await this.liveOf(userId)).length > max) userIds.push(userId);
      return { userIds, next: null };
    });
  }

  countLiveOfUser(userId: string): Promise<number> {
    return this.store.alone(async () => (await this.liveOf(userId)).length);
  }

  markEnded(userId: string | null, stop?: AbortSignal): Promise<number> {
    return this.store.alone(async () => {
      let marked = 0;
      if (stop?.aborted) return marked;
      for (const session of this.store.sessions.values()) {
        if (userId !== null && session.userId !== userId) continue;
        const floor = this.store.userFloors.get(session.userId);
        if (floor === undefined || session.revokedAt !== null || !this.isEndedBelow(session)) continue;
        const revokedAt = floor.raisedAt < session.createdAt ? session.createdAt : floor.raisedAt;
        this.store.sessions.set(session.id, { ...session, revokedAt, revokedReason: floor.endedReason });
        marked++;
      }
      return marked;
    });
  }

  findLiveOfUser(userId: string, limit: number, after?: PagePosition): Promise<SessionPage> {
    return this.store.alone(async () => {
      const rest = (await this.liveOf(userId))
        .filter((session) => after === undefined || isAfter(positionOf(session), after))
        .sort(lastUsedFirst);
      const items = rest.slice(0, limit);
      const last = items.at(-1);
      return { items, next: rest.length > limit && last !== undefined ? positionOf(last) : null };
    });
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

  revokeBelowGlobal(version: number, reason: RevocationReason): Promise<number> {
    return this.store.alone(async () => {
      const below = this.unended().filter(({ globalVersionAtIssuance }) => globalVersionAtIssuance < version);
      return this.endAll(below, reason).length;
    });
  }

  findById(id: string): Promise<Session | null> {
    return this.store.alone(async () => this.find(id));
  }

  countBelowGlobal(version: number): Promise<number> {
    return this.store.alone(
      async () =>
        this.unended().filter(
          ({ userId, tokenVersion, globalVersionAtIssuance }) =>
            globalVersionAtIssuance < version &&
            tokenVersion >= (this.store.userFloors.get(userId)?.minTokenVersion ?? 1),
        ).length,
    );
  }

  estimate(): Promise<number> {
    return this.store.alone(async () => this.store.sessions.size);
  }

  countReuses(userId: string): Promise<number> {
    return this.store.alone(async () => {
      const since = this.store.clock.now().getTime() - ONE_DAY_MS;
      const floor = this.store.userFloors.get(userId);
      return this.of(userId).filter((session) => {
        if (session.revokedAt === null && !this.isEndedBelow(session)) return false;
        const reason = session.revokedReason ?? floor?.endedReason;
        const at = session.revokedAt ?? floor?.raisedAt;
        return reason === 'reuse_detected' && at !== undefined && at.getTime() > since && !this.isGone(session);
      }).length;
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

  private endAll(sessions: readonly Session[], reason: RevocationReason): string[] {
    for (const session of sessions) this.end(session, reason);
    return sessions.map(({ id }) => id);
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

  /** What "live" means for every list, count and ending, whatever has been marked. */
  private async liveOf(userId: string): Promise<Session[]> {
    const { floors, now } = await this.policies.floorsOf(userId);
    return this.unended().filter((session) => session.userId === userId && isHonoured(session, floors, now));
  }

  /** Neither revoked nor expired. */
  private unended(): Session[] {
    const now = this.store.clock.now();
    return [...this.store.sessions.values()].filter(
      ({ revokedAt, expiresAt }) => revokedAt === null && expiresAt > now,
    );
  }

  /** Whether a raise of its user's floor has ended it. */
  private isEndedBelow({ userId, tokenVersion }: Session): boolean {
    return tokenVersion < (this.store.userFloors.get(userId)?.endedBelow ?? 0);
  }

  private of(userId: string): Session[] {
    return [...this.store.sessions.values()].filter((session) => session.userId === userId);
  }

  private end(session: Session, revokedReason: RevocationReason): void {
    this.store.sessions.set(session.id, { ...session, revokedAt: this.store.clock.now(), revokedReason });
  }
}
