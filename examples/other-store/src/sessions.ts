import {
  type Binding,
  AUTH_DEFAULTS,
  type AuthEventLog,
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
  type RevocationFeed,
  type RevocationReason,
  type SecurityPolicyRepository,
  type Session,
  type SessionPage,
  SessionRepository,
  type SomeSessions,
} from 'nest-ratchet';
import type { Maps } from './maps.js';
import { userFloorIn } from './policies.js';

interface Ending {
  readonly revokedAt: Date;
  readonly revokedReason: RevocationReason | null;
}

const DAY_MS = 24 * 60 * 60 * 1000;

export class MapSessionRepository extends SessionRepository {
  constructor(
    private readonly maps: Maps,
    private readonly policies: SecurityPolicyRepository,
    private readonly log: AuthEventLog,
    private readonly feed: RevocationFeed,
    private readonly retentionSeconds = AUTH_DEFAULTS.sessionRetentionSeconds,
  ) {
    super();
  }

  open({ idleTtlSeconds, absoluteTtlSeconds, ...given }: NewSession): Promise<Session> {
    return this.maps.run(async () => {
      if (this.maps.sessions.has(given.id)) this.maps.refuse('The session is open already');
      const now = new Date();
      const after = (seconds: number) => new Date(now.getTime() + seconds * 1000);
      return this.written({
        ...given,
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
      });
    });
  }

  findForRefresh(id: string): Promise<RefreshReading | null> {
    return this.maps.run(async () => {
      const session = this.found(id);
      if (session === null) return null;
      const { floors, now } = await this.policies.floorsOf(session.userId);
      const { endedBelow, endedReason } = userFloorIn(this.maps, session.userId);
      // The users are elsewhere: auth asks the directory.
      const recoveryUntil = this.maps.recovery.get('until') ?? null;
      return { session, user: undefined, floors: { ...floors, endedBelow, endedReason }, recoveryUntil, now };
    });
  }

  rotate(live: LiveToken, next: NextToken, record: RefreshRecord): Promise<boolean> {
    return this.adopt(live, live, next, record);
  }

  adopt(
    live: LiveToken,
    { generation, tokenHash }: Pick<LiveToken, 'generation' | 'tokenHash'>,
    next: NextToken,
    record: RefreshRecord,
  ): Promise<boolean> {
    return this.maps.run(async () => {
      const now = new Date();
      const session = this.found(live.id);
      if (session === null || !isLive(session, live, now)) return false;
      const { expiresAt, userAgent, ipAddress, proof, ...columns } = next;
      this.written({
        ...session,
        ...columns,
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
      });
      await this.log.append(record);
      return true;
    });
  }

  confirmReplay(live: LiveToken, replay: Replay, record: RefreshRecord): Promise<boolean> {
    const { door, maxReplays, retryKeyHash, proof } = replay;
    return this.maps.run(async () => {
      const session = this.found(live.id);
      if (session === null || !isLive(session, live, new Date()) || session.keyed !== live.keyed) return false;
      if (door === 'window' && session.replayCount >= maxReplays) return false;
      this.written({
        ...session,
        ...proof,
        replayCount: session.replayCount + (door === 'window' ? 1 : 0),
        retryKeyHash: session.retryKeyHash ?? retryKeyHash,
        keyed: session.keyed || retryKeyHash !== null,
      });
      await this.log.append(record);
      return true;
    });
  }

  revoke(id: string, reason: RevocationReason, asRead?: Pick<LiveToken, 'generation' | 'tokenHash'>): Promise<boolean> {
    return this.maps.run(async () => {
      const session = this.found(id);
      if (session === null || this.endingOf(session) !== null) return false;
      if (asRead && !isSameToken(session, asRead)) return false;
      this.end([session], reason);
      const until = this.maps.recovery.get('until');
      const isRecovering = until !== undefined && Date.now() < until.getTime();
      if (reason !== 'token_version_rejected' || isRecovering)
        await this.feed.announce([{ kind: 'session', sessionId: id }], reason);
      return true;
    });
  }

  markEnded(userId: string | null, stop?: AbortSignal): Promise<number> {
    return this.maps.run(async () => {
      let marked = 0;
      for (const session of this.maps.sessions.values()) {
        if (stop?.aborted) break;
        if (session.revokedAt !== null || (userId !== null && session.userId !== userId)) continue;
        const ending = this.endingOf(session);
        if (ending === null) continue;
        this.written({ ...session, ...ending });
        marked++;
      }
      return marked;
    });
  }

  rename(id: string, deviceName: string | null): Promise<boolean> {
    return this.maps.run(async () => {
      const found = this.found(id);
      const session = found && (await this.liveOf(found.userId)).find((one) => one.id === id);
      if (!session) return false;
      this.written({ ...session, deviceName });
      return true;
    });
  }

  bind({ id, generation }: Pick<Session, 'id' | 'generation'>, binding: Binding): Promise<boolean> {
    return this.maps.run(async () => {
      const found = this.found(id);
      const session = found && (await this.liveOf(found.userId)).find((one) => one.id === id);
      if (!session || session.binding !== null || session.generation !== generation) return false;
      this.written({ ...session, binding });
      return true;
    });
  }

  revokeSome(which: SomeSessions, reason: RevocationReason, limit: number): Promise<string[]> {
    return this.maps.run(async () => {
      const live = await this.liveOf(which.userId);
      const inOrder =
        'except' in which
          ? live.filter(({ id }) => id !== which.except).sort(byId)
          : live.sort(lastUsedFirst).slice(which.keepLastUsed).reverse();
      const ended = this.end(inOrder.slice(0, limit), reason);
      await this.feed.announce(
        ended.map((sessionId) => ({ kind: 'session', sessionId })),
        reason,
      );
      return ended;
    });
  }

  findCrowdedUsers(max: number): Promise<CrowdedUsers> {
    return this.maps.run(async () => {
      const userIds: string[] = [];
      for (const userId of new Set(this.unended().map((session) => session.userId)))
        if ((await this.liveOf(userId)).length > max) userIds.push(userId);
      return { userIds, next: null };
    });
  }

  revokeBelowGlobal(version: number, reason: RevocationReason): Promise<number> {
    return this.maps.run(async () => {
      const below = this.unended().filter((session) => session.globalVersionAtIssuance < version);
      return this.end(below, reason).length;
    });
  }

  findById(id: string): Promise<Session | null> {
    return this.maps.run(async () => this.found(id));
  }

  countLiveOfUser(userId: string): Promise<number> {
    return this.maps.run(async () => (await this.liveOf(userId)).length);
  }

  findLiveOfUser(userId: string, limit: number, after?: PagePosition): Promise<SessionPage> {
    return this.maps.run(async () => {
      const rest = (await this.liveOf(userId))
        .sort(lastUsedFirst)
        .filter((one) => after === undefined || isBeyond(positionOf(one), after));
      const items = rest.slice(0, limit);
      const last = items.at(-1);
      return { items, next: last !== undefined && rest.length > limit ? positionOf(last) : null };
    });
  }

  countBelowGlobal(version: number): Promise<number> {
    return this.maps.run(
      async () =>
        this.unended().filter(
          (one) =>
            one.globalVersionAtIssuance < version &&
            one.tokenVersion >= userFloorIn(this.maps, one.userId).minTokenVersion,
        ).length,
    );
  }

  estimate(): Promise<number> {
    return this.maps.run(async () => this.maps.sessions.size);
  }

  deleteEnded(limit: number): Promise<number> {
    return this.maps.run(async () => {
      const gone = this.gone().slice(0, limit);
      for (const { id } of gone) this.maps.write(this.maps.sessions, id, undefined);
      return gone.length;
    });
  }

  countEnded(): Promise<number> {
    return this.maps.run(async () => this.gone().length);
  }

  countReuses(userId: string): Promise<number> {
    return this.maps.run(async () => {
      const since = Date.now() - DAY_MS;
      return [...this.maps.sessions.values()].filter((one) => {
        if (one.userId !== userId || this.isGone(one)) return false;
        const ending = this.endingOf(one);
        return ending?.revokedReason === 'reuse_detected' && ending.revokedAt.getTime() > since;
      }).length;
    });
  }

  /** Nothing to do: one transaction runs at a time. */
  async lockUser(): Promise<void> {}

  private written(session: Session): Session {
    this.maps.write(this.maps.sessions, session.id, session);
    return session;
  }

  private end(sessions: readonly Session[], revokedReason: RevocationReason): string[] {
    for (const session of sessions) this.written({ ...session, revokedAt: new Date(), revokedReason });
    return sessions.map(({ id }) => id).sort();
  }

  /** The sessions that are live by their rows and by the floors. */
  private async liveOf(userId: string): Promise<Session[]> {
    const { floors, now } = await this.policies.floorsOf(userId);
    return this.unended().filter((one) => one.userId === userId && isHonoured(one, floors, now));
  }

  /** Neither revoked nor expired, whatever the floors are. */
  private unended(): Session[] {
    const now = new Date();
    return [...this.maps.sessions.values()].filter(({ revokedAt, expiresAt }) => revokedAt === null && expiresAt > now);
  }

  /** How a session has ended: by its row, or by a raise of its user's floor that is not marked in the row yet. */
  private endingOf({ userId, tokenVersion, createdAt, revokedAt, revokedReason }: Session): Ending | null {
    if (revokedAt !== null) return { revokedAt, revokedReason };
    const { endedBelow, endedReason, endedAt } = userFloorIn(this.maps, userId);
    if (endedAt === null || tokenVersion >= endedBelow) return null;
    // A sign-in that read the floor before the raise can store its session after it.
    return { revokedAt: endedAt < createdAt ? createdAt : endedAt, revokedReason: endedReason };
  }

  private found(id: string): Session | null {
    const session = this.maps.sessions.get(id);
    return session === undefined || this.isGone(session) ? null : session;
  }

  private gone(): Session[] {
    return [...this.maps.sessions.values()].filter((session) => this.isGone(session));
  }

  /** Whether its retention is over: then it does not exist for anybody, deleted or not. */
  private isGone({ absoluteExpiresAt }: Session): boolean {
    return absoluteExpiresAt.getTime() < Date.now() - this.retentionSeconds * 1000;
  }
}

const byId = (one: Session, other: Session): number => (one.id < other.id ? -1 : 1);

/** This store's clock has milliseconds; a store with microseconds keeps them. */
const positionOf = ({ lastUsedAt, id }: Session): PagePosition => ({ time: lastUsedAt.getTime() * 1000, id });

const isBeyond = (one: PagePosition, other: PagePosition): boolean =>
  one.time < other.time || (one.time === other.time && one.id < other.id);

const isSameToken = (session: Session, token: Pick<LiveToken, 'generation' | 'tokenHash'>): boolean =>
  session.generation === token.generation && session.tokenHash.equals(token.tokenHash);

const isLive = (session: Session, token: LiveToken, now: Date): boolean =>
  isSameToken(session, token) && session.revokedAt === null && session.expiresAt > now;
