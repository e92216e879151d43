/* eslint-disable no-template-curly-in-string -- the sources that are searched have templates */

// Mistakes that a change could make, and the tests that must see them. `npm run test:mutants` plants each in a copy of the
// sources. A search string that is not there exactly once is a stale entry, and fails the run.

const AUTH = 'src/auth';
const DECISION = `${AUTH}/domain/refresh-decision.ts`;
const VERSIONS = `src/guard/versions.ts`;
const ENVELOPE = `${AUTH}/domain/refresh-token.ts`;
const REFRESH = `${AUTH}/application/refresh/refresh-access-token.handler.ts`;
const STEP_UP = `${AUTH}/application/refresh/step-up.ts`;
const REAUTHENTICATE = `${AUTH}/application/refresh/reauthenticate.handler.ts`;
const REFRESH_REQUEST = `${AUTH}/http/refresh-request.ts`;
const RECENT_PROOF = `${AUTH}/http/kit/recent-proof.ts`;
const VIEW = `src/guard/revocation.view.ts`;
const SESSIONS = `${AUTH}/infrastructure/postgres/typeorm-session.repository.ts`;
const STATEMENTS = `${AUTH}/infrastructure/postgres/refresh-statements.ts`;
const PARTITIONS = `${AUTH}/infrastructure/postgres/event-partitions.ts`;
const PARTITION_PLAN = `${AUTH}/infrastructure/postgres/partition-plan.ts`;
const HOST_SETTINGS = `${AUTH}/infrastructure/postgres/host-settings.ts`;
const EVENT_LOG = `${AUTH}/infrastructure/postgres/typeorm-auth-event.log.ts`;
const FOLD = `${AUTH}/ports/folded-refresh.ts`;
const RESET = `${AUTH}/application/reset/reset-password.handler.ts`;
const ACT_AS = `${AUTH}/application/act-as/act-as-user.handler.ts`;
const POLLS = `${AUTH}/application/resource-servers/revocation-polls.ts`;
const RING = `${AUTH}/application/resource-servers/revocation-ring.ts`;
const SERVICE = 'src/resource-server';
const JWT = `${AUTH}/infrastructure/jwt/jwt-access-token.signer.ts`;
const ACCESS_KEY = `${AUTH}/domain/access-token-key.ts`;
const JWS = `src/guard/jws.ts`;
const DPOP = `src/guard/dpop.ts`;
const DBSC = `${AUTH}/domain/dbsc.ts`;
const DBSC_ROUTES = `${AUTH}/http/dbsc/dbsc.controller.ts`;
const REGISTER = `${AUTH}/application/refresh/register-device-key.handler.ts`;
const HTTP_REQUEST = 'src/guard/nest/http-request.ts';
const AUTHENTICATOR = `src/guard/access-token.authenticator.ts`;
const PROOFS = `${AUTH}/application/dpop-proofs.ts`;
const OAUTH = `${AUTH}/http/oauth/oauth.controller.ts`;
const REDIS = `${AUTH}/infrastructure/redis/redis-connection.ts`;
const FLEXIBLE_LIMITS = `${AUTH}/infrastructure/limits/flexible-rate-limits.ts`;

const CLIENT = 'src/client/index.mts';
const CLIENT_ANSWER = 'src/client/answer.mts';

/** One textual change; `find` occurs exactly once in `file`. */
const change = (file, find, replace) => ({ file, find, replace });

/** @type {readonly {name: string, changes: {file: string, find: string, replace: string}[], spec: string, only?: string}[]} */
export const plantedDefects = [
  // Versions
  {
    name: 'a refresh launders a drained session',
    changes: [change(VERSIONS, 'return drained ? ', 'return drained && stamps === floors ? ')],
    spec: 'test/domain/versions.spec.ts',
  },
  {
    name: 'the access token of a replay is stamped with the floors',
    changes: [
      change(
        REFRESH,
        'this.pairs.issue(decision.user, successor, session, proofOf',
        'this.pairs.issue(decision.user, successor, { ...stampsAfterRotation(session, { ...facts.floors, mode: "migrate" }), expiresAt: session.expiresAt }, proofOf',
      ),
    ],
    spec: 'test/http/replay.spec.ts',
    only: 'The access token of a replay',
  },
  {
    name: 'PATCH re-opens a grace period',
    changes: [
      change(
        `${AUTH}/infrastructure/postgres/typeorm-security-policy.repository.ts`,
        '.set({ gracePeriodSeconds: seconds,',
        ".set({ gracePeriodSeconds: seconds, graceEndsAt: () => `now() + interval '${seconds} seconds'`,",
      ),
    ],
    spec: 'test/ports/security-policy.repository.spec.ts',
    only: 'PostgreSQL the policy (does not move|takes a grace)',
  },
  {
    name: "the user's floor is ignored",
    changes: [change(VERSIONS, 'stamps.tokenVersion < floors.userMinTokenVersion', 'stamps.tokenVersion < 0')],
    spec: 'test/domain/versions.spec.ts',
  },
  {
    name: 'the global floor is ignored',
    changes: [change(VERSIONS, '>= floors.globalMinTokenVersion) return true', '>= 0) return true')],
    spec: 'test/domain/versions.spec.ts',
  },
  {
    name: 'the grace never ends',
    changes: [change(VERSIONS, '    now <= floors.graceEndsAt &&\n', '')],
    spec: 'test/domain/versions.spec.ts',
  },
  {
    name: 'the grace forgives two versions',
    changes: [change(VERSIONS, '=== floors.globalMinTokenVersion - 1', '>= floors.globalMinTokenVersion - 2')],
    spec: 'test/domain/versions.spec.ts',
  },
  {
    name: 'one maximum of two counters is compared',
    changes: [
      change(
        VERSIONS,
        'if (stamps.globalVersionAtIssuance >= floors.globalMinTokenVersion) return true;',
        'if (Math.max(stamps.globalVersionAtIssuance, stamps.tokenVersion) >= floors.globalMinTokenVersion) return true;',
      ),
    ],
    spec: 'test/domain/versions.spec.ts',
  },
  {
    name: 'a stale version is stamped by a rotation',
    changes: [
      change(
        VERSIONS,
        'globalVersionAtIssuance: stamps.globalVersionAtIssuance } : current',
        'globalVersionAtIssuance: stamps.globalVersionAtIssuance } : stamps',
      ),
    ],
    spec: 'test/domain/versions.spec.ts',
  },
  {
    name: 'a login is stamped with floors that are read after its password',
    changes: [
      change(
        `${AUTH}/application/sign-in/password-proof.ts`,
        'const failure = failureOf(account, matches);',
        'const failure = failureOf(account, matches); Object.assign(floors, (await this.policies.floorsOf(known?.id ?? NO_USER)).floors);',
      ),
    ],
    spec: 'test/http/password-races.spec.ts',
    only: 'a login',
  },
  {
    name: 'an access token outlives the deadline of a drain',
    changes: [
      change(
        `${AUTH}/application/token-pair.issuer.ts`,
        'graceLimit === null ? Infinity',
        'graceLimit !== undefined ? Infinity',
      ),
    ],
    spec: 'test/http/versions.spec.ts',
    only: 'drain',
  },

  // The decision
  {
    name: 'an absent retry key equals an absent one',
    changes: [
      change(
        DECISION,
        'if (retryKeyHash !== null && same(retryKeyHash, session.retryKeyHash))',
        'if (retryKeyHash === null ? session.retryKeyHash === null : same(retryKeyHash, session.retryKeyHash))',
      ),
    ],
    spec: 'test/domain/refresh-decision.spec.ts',
  },
  {
    name: 'the cap of the window counts as reuse',
    changes: [
      change(DECISION, "return { outcome: 'wait', reason: 'too_many_replays', retryAfterSeconds: 1 }", 'return REUSE'),
    ],
    spec: 'test/domain/refresh-decision.spec.ts',
  },
  {
    name: 'the window is open in a keyed session',
    changes: [change(DECISION, 'if (rules.retryKeys && keyed) {', 'if (rules.retryKeys && keyed && !inWindow) {')],
    spec: 'test/domain/refresh-decision.spec.ts',
  },
  {
    name: 'expiry is looked at before reuse',
    changes: [
      change(
        DECISION,
        '  const way = wayOf(',
        "  if (now >= session.expiresAt) return refuse('token_expired');\n  const way = wayOf(",
      ),
    ],
    spec: 'test/domain/refresh-decision.spec.ts',
  },
  {
    name: 'the absolute limit is not looked at',
    changes: [change(DECISION, ' || now >= session.absoluteExpiresAt', '')],
    spec: 'test/domain/refresh-decision.spec.ts',
  },
  {
    name: 'the digest of the current token is not compared',
    changes: [change(DECISION, 'behind === 0 && !same(presented.digest, session.tokenHash)', 'behind === 0 && false')],
    spec: 'test/domain/refresh-decision.spec.ts',
  },
  {
    name: 'a forged token ends the session',
    changes: [
      change(
        DECISION,
        "return refuse('token_invalid', { forgery: 'generation_ahead',",
        "return refuse('token_invalid', { forgery: 'generation_ahead', revoke: 'reuse_detected',",
      ),
    ],
    spec: 'test/domain/refresh-decision.spec.ts',
  },
  {
    name: 'reuse is refused, and the session lives on',
    changes: [change(DECISION, "refuse('token_revoked', { revoke: 'reuse_detected' })", "refuse('token_revoked')")],
    spec: 'test/domain/refresh-decision.spec.ts',
  },
  {
    name: 'a replay is answered after the successor was used',
    changes: [change(DECISION, 'behind === 1 ? wayOfPredecessor', 'behind <= 2 ? wayOfPredecessor')],
    spec: 'test/domain/refresh-decision.spec.ts',
  },
  {
    name: 'an inactive user refreshes',
    changes: [change(DECISION, 'if (!user.isActive)', 'if (user.isActive === undefined)')],
    spec: 'test/domain/refresh-decision.spec.ts',
  },
  {
    name: 'a token moves from the cookie into a body',
    changes: [change(DECISION, 'presented.delivery !== session.delivery', 'presented.delivery === undefined')],
    spec: 'test/domain/refresh-decision.spec.ts',
  },

  // After a restore
  {
    name: 'the leap after a restore commits with the last of the marks',
    changes: [
      change(
        `${AUTH}/application/versions/recover-after-restore.handler.ts`,
        '      const { sessionsAffected } = rotation.value;\n',
        "      const { sessionsAffected } = rotation.value;\n      await this.sessions.revokeBelowGlobal(rotation.value.newVersion, 'admin_action');\n",
      ),
    ],
    spec: 'test/http/administration.spec.ts',
    only: 'once the leap has committed',
  },

  // The recovery epoch
  {
    name: 'in a recovery epoch row 3 does not end the session: the other branch, level with the row',
    changes: [
      change(
        DECISION,
        'if (differs) return OTHER_BRANCH;',
        "if (differs) return refuse('token_invalid', { forgery: 'digest_differs' });",
      ),
    ],
    spec: 'test/model/model.spec.ts',
    only: 'a thief and its owner',
  },
  {
    name: 'in a recovery epoch row 5a does not end the session: the other branch, one behind the row',
    changes: [change(DECISION, 'return recovering ? OTHER_BRANCH : refuse(', 'return refuse(')],
    spec: 'test/model/model.spec.ts',
    only: 'a thief and its owner',
  },
  {
    name: 'a recovery epoch adopts without revoked_at IS NULL',
    changes: [
      change(
        STATEMENTS,
        '${proven(22)} WHERE ${stillLive(parameter)}`',
        "${proven(22)} WHERE ${stillLive(parameter).replace(` AND ${s.revokedAt} IS NULL`, '')}`",
      ),
    ],
    spec: 'test/ports/session.repository.spec.ts',
    only: 'PostgreSQL adopt',
  },
  {
    name: 'a recovery epoch adopts past the floors',
    changes: [change(DECISION, 'if (rejection !== null) return', 'if (rejection !== null && behind >= 0) return')],
    spec: 'test/http/recovery.spec.ts',
    only: 'adopts no token',
  },
  {
    name: 'a recovery epoch adopts a token of any generation',
    changes: [change(DECISION, 'behind >= -MAX_ADOPTED', 'behind < 0')],
    spec: 'test/domain/refresh-decision.spec.ts',
  },
  {
    name: 'an adopted token leaves the row its own digest as the predecessor',
    changes: [change(STATEMENTS, "tokenHash: '$21' }", 'tokenHash: `COALESCE(${s.tokenHash}, $21)` }')],
    spec: 'test/http/recovery.spec.ts',
    only: 'adopts a token',
  },
  {
    name: 'a token that is ahead is refused after a failover, before anybody could declare an epoch',
    changes: [
      change(`${AUTH}/application/refresh/refresh-judge.ts`, 'decision.adoptable && this.view', 'false && this.view'),
    ],
    spec: 'test/http/recovery.spec.ts',
    only: 'answered with a 503, so that its client keeps it',
  },

  // The envelope
  {
    name: 'the MAC is not checked',
    changes: [change(ENVELOPE, 'mac === null || !timingSafeEqual(mac, bytes.subarray(MAC_AT))', 'mac === null')],
    spec: 'test/domain/refresh-token.spec.ts',
  },
  {
    name: 'the successor does not depend on the secret',
    changes: [change(ENVELOPE, '      .update(token.secret)\n      .update(nonce)', '      .update(nonce)')],
    spec: 'test/domain/refresh-token.spec.ts',
  },
  {
    name: 'a replay hands out a token that is not the stored one',
    changes: [
      change(
        ENVELOPE,
        'if (!timingSafeEqual(digestOf(successor), stored.tokenHash))',
        'if (stored.tokenHash.length === 0)',
      ),
    ],
    spec: 'test/domain/refresh-token.spec.ts',
  },

  // The row
  {
    name: 'a rotation asks for neither generation nor digest',
    changes: [
      change(
        STATEMENTS,
        '${s.generation} = ${$(2)} AND ${s.tokenHash} = ${$(3)} AND',
        '${$(2)}::integer >= 0 AND ${$(3)}::bytea IS NOT NULL AND',
      ),
    ],
    spec: 'test/ports/session.repository.spec.ts',
    only: 'PostgreSQL rotate',
  },
  {
    name: 'AND revoked_at IS NULL is dropped',
    changes: [
      change(STATEMENTS, ' AND ${s.revokedAt} IS NULL AND ${s.expiresAt} > now()`', ' AND ${s.expiresAt} > now()`'),
    ],
    spec: 'test/ports/session.repository.spec.ts',
    only: 'PostgreSQL (rotate|confirmReplay)',
  },
  {
    name: 'a replay is unconditional',
    changes: [
      change(
        STATEMENTS,
        'WHERE ${stillLive(parameter)} AND ${s.keyed} = $4 AND ($5::integer = 0 OR',
        'WHERE ${s.id} = $1 AND $2::integer >= 0 AND $3::bytea IS NOT NULL AND $4::boolean IS NOT NULL AND ($5::integer >= 0 OR',
      ),
    ],
    spec: 'test/ports/session.repository.spec.ts',
    only: 'PostgreSQL confirmReplay',
  },
  {
    name: 'a keyed session forgets that it is one',
    changes: [
      change(
        STATEMENTS,
        '${s.keyed} = ${s.keyed} OR ${$(7)}::bytea IS NOT NULL,',
        '${s.keyed} = ${$(7)}::bytea IS NOT NULL,',
      ),
    ],
    spec: 'test/ports/session.repository.spec.ts',
    only: 'PostgreSQL rotate',
  },
  {
    name: 'a rotation moves the idle limit past the absolute one',
    changes: [change(STATEMENTS, 'LEAST(${$(10)}::timestamptz, ${s.absoluteExpiresAt})', '${$(10)}::timestamptz')],
    spec: 'test/ports/session.repository.spec.ts',
    only: 'PostgreSQL rotate',
  },
  {
    name: 'the clean-up removes a live row',
    changes: [
      change(
        SESSIONS,
        'WHERE absolute_expires_at < ${this.retained} ORDER BY',
        "WHERE created_at < now() - interval '1 hour' ORDER BY",
      ),
    ],
    spec: 'test/http/clean-up.spec.ts',
    only: 'deletes the sessions that are past',
  },
  {
    name: 'a revocation is undone by the refusal that reports it',
    changes: [
      change(
        `${AUTH}/application/sessions/session-termination.ts`,
        'return { value: true, events: [...escalation, ...record] };\n    });',
        'return { value: true, events: [...escalation, ...record], last: async () => true };\n    });',
      ),
    ],
    spec: 'test/http/reuse.spec.ts',
    only: 'A superseded token',
  },
  {
    name: 'the row is written before the access token is signed',
    changes: [
      change(
        REFRESH,
        'const issued = this.pairs.issue(decision.user, successor, next, proofOf(session, next.proof), facts);\n    const pair = issued instanceof Promise ? await issued : issued;',
        'const sign = async () => this.pairs.issue(decision.user, successor, next, proofOf(session, next.proof), facts);',
      ),
      change(
        REFRESH,
        'return (await written) ? this.granted(pair, record) : null',
        'return (await written) ? this.granted(await sign(), record) : null',
      ),
    ],
    spec: 'test/application/audit-invariants.spec.ts',
    only: 'a rotation, with a fault',
  },

  // Endings
  {
    name: 'an attempt that meets an exception has no ending',
    changes: [
      change(
        `${AUTH}/application/faults.ts`,
        'await events.record(failed(reasonOf(fault))).catch(() => undefined);',
        'void reasonOf(fault);',
      ),
    ],
    spec: 'test/application/audit-invariants.spec.ts',
    only: 'a rotation, with a fault',
  },
  {
    name: 'an attempt ends twice',
    changes: [
      change(
        `${AUTH}/application/attempt.ts`,
        'return this.context(this.eventId(ENDING), subject);',
        'return this.context(uuidv7(), subject);',
      ),
    ],
    spec: 'test/application/audit-invariants.spec.ts',
    only: 'a rotation, with a fault',
  },
  {
    name: 'a page ends between the two events of a granted refresh, and the next one leaves the attempt out',
    changes: [change(FOLD, 'newestFirst ? part < after.part : part > after.part', 'false')],
    spec: 'test/infrastructure/folded-refreshes.spec.ts',
    only: 'in memory: pages are',
  },
  {
    name: 'a search for attempts finds none of the granted refreshes',
    changes: [
      change(EVENT_LOG, '{ types: [type, folded] }', '{ types: [type] }'),
      change(EVENT_LOG, "'(event.outcome = :outcome OR event.type = :folded)'", "'event.outcome = :outcome'"),
    ],
    spec: 'test/infrastructure/folded-refreshes.spec.ts',
    only: 'PostgreSQL: pages are',
  },
  {
    name: 'a page is read from the row after its position',
    changes: [change(EVENT_LOG, "(['DESC', '<='] as const)", "(['DESC', '<'] as const)")],
    spec: 'test/infrastructure/folded-refreshes.spec.ts',
    only: 'PostgreSQL: pages are',
  },
  {
    name: 'a replay is stored as two rows',
    changes: [
      change(
        FOLD,
        'if (!(ending instanceof AuthTokenRefreshSucceeded)) records.push',
        'if (!(ending instanceof AuthTokenRefreshSucceeded) || ending.replayed) records.push',
      ),
    ],
    spec: 'test/infrastructure/folded-refreshes.spec.ts',
    only: 'stores one',
  },
  {
    name: 'a fault that comes after the commit adds a second attempt',
    changes: [change(EVENT_LOG, 'ending: ending?.context.eventId }', 'ending: undefined }')],
    spec: 'test/ports/auth-event.log.spec.ts',
    only: 'PostgreSQL appendNew keeps',
  },
  {
    name: 'listeners hear of a granted refresh once',
    changes: [change(REFRESH, 'this.events.dispatch(record);', 'this.events.dispatch(record.slice(1));')],
    spec: 'test/audit/audit-events.spec.ts',
    only: 'granted refresh',
  },
  {
    name: 'listeners hear of what is then undone',
    changes: [
      change(
        `${AUTH}/infrastructure/events/recorded-auth-events.ts`,
        'this.unitOfWork.afterCommit(() => {',
        '[() => {',
      ),
      change(
        `${AUTH}/infrastructure/events/recorded-auth-events.ts`,
        '      for (const event of events) void this.emit(event);\n    });',
        '      for (const event of events) void this.emit(event);\n    }].forEach((effect) => effect());',
      ),
    ],
    spec: 'test/infrastructure/recorded-auth-events.spec.ts',
    only: 'dispatch',
  },
  {
    name: 'one row that PostgreSQL cannot hold poisons its batch',
    changes: [
      change(
        `${AUTH}/infrastructure/events/group-committer.ts`,
        "return code?.startsWith('22') === true;",
        "return code?.startsWith('never') === true;",
      ),
    ],
    spec: 'test/infrastructure/group-committer.spec.ts',
  },
  {
    name: "a batch runs in its first caller's transaction",
    changes: [
      change(
        `${AUTH}/infrastructure/events/group-committer.ts`,
        'this.own.runInAsyncScope(() => this.flush())',
        'this.flush()',
      ),
    ],
    spec: 'test/infrastructure/group-committer.spec.ts',
  },

  // What one token can write
  {
    name: 'waits are among the junk',
    changes: [
      change(REFRESH, 'await this.events.recordUpTo(this.waitsOf(token), record);', 'this.events.recordJunk(record);'),
    ],
    spec: 'test/http/replay.spec.ts',
    only: 'By the window a wait is recorded',
  },
  {
    name: 'a refusal after a lost race is not counted',
    changes: [change(REFRESH, 'counted ||= await', 'if (round === 0) counted = await')],
    spec: 'test/http/limits.spec.ts',
    only: 'of many reuses at once',
  },
  {
    name: "a dead token's log-out has no limit",
    changes: [
      change(`${AUTH}/application/sessions/log-out.handler.ts`, 'await this.limits.take(sessionId, attempt);', ''),
    ],
    spec: 'test/http/limits.spec.ts',
    only: 'a dead token leaves',
  },
  {
    name: 'a limit refuses a log-out that ends a session',
    changes: [
      change(`${AUTH}/http/auth.controller.ts`, 'if (!(error instanceof Throttled)) throw error;', 'throw error;'),
    ],
    spec: 'test/http/limits.spec.ts',
    only: 'beside a token that is beyond it',
  },
  {
    name: "the flood of one session uses up the user's limit",
    changes: [
      change(
        `${AUTH}/application/refresh/refresh-limits.ts`,
        "await this.limits.take('refreshPerSession', token.sessionId);\n",
        '',
      ),
      change(
        `${AUTH}/application/refresh/refresh-limits.ts`,
        '${facts.session.userId} ${attempt.network}`);',
        "${facts.session.userId} ${attempt.network}`);\n    await this.limits.take('refreshPerSession', token.sessionId);",
      ),
    ],
    spec: 'test/http/limits.spec.ts',
    only: 'no flood of one session',
  },

  {
    name: 'what is bounded is recorded without end',
    changes: [change(`${AUTH}/infrastructure/events/record-bounds.ts`, 'if (seen >= bound.most) return false;', '')],
    spec: 'test/http/bounded-writes.long.ts',
    only: 'One token, however often it is presented, (the live access token of the role user|writes no more events)',
  },
  {
    name: 'a change that changes nothing is announced and recorded',
    changes: [
      change(
        `${AUTH}/application/versions/update-grace-period.handler.ts`,
        'if (current.gracePeriodSeconds === gracePeriodSeconds) return current;',
        'void current;',
      ),
    ],
    spec: 'test/http/administration.spec.ts',
    only: 'records nothing of a change',
  },
  {
    name: 'denied access is not recorded',
    changes: [change('src/guard/nest/access-token.guard.ts', 'await this.denials?.record(', 'void (')],
    spec: 'test/application/access-record.spec.ts',
    only: 'is recorded with its user',
  },
  {
    name: 'the guard of a host has only the roles in the token',
    changes: [change(`${AUTH}/auth.module.ts`, '    CurrentRoles,\n', '')],
    spec: 'test/embedding/testing-module.spec.ts',
    only: 'without the global guard',
  },
  {
    name: 'the audit trail is read before the reading is recorded',
    changes: [
      change(
        `${AUTH}/application/history/find-auth-events.handler.ts`,
        'await this.reads.record(filter, actor);',
        'const page = await this.log.find(filter, limit, after); await this.reads.record(filter, actor); if (page) return page;',
      ),
    ],
    spec: 'test/application/access-record.spec.ts',
    only: 'does not take place',
  },

  // The guard, and how it learns
  {
    name: 'the guard never looks at the policy row again',
    changes: [
      change(
        VIEW,
        'if (this.policy === null || isNewer(policy, this.policy)) this.policy = policy;',
        'this.policy ??= policy;',
      ),
    ],
    spec: 'test/propagation/revocation.view.spec.ts',
  },
  {
    name: 'revocations are caught up by created_at',
    changes: [
      change(
        `${AUTH}/infrastructure/postgres/postgres-revocation.feed.ts`,
        '`xid >= $1::text::xid8`',
        "`created_at > now() - interval '1 second' AND $1::text IS NOT NULL`",
      ),
    ],
    spec: 'test/infrastructure/postgres-revocation.feed.spec.ts',
  },
  {
    name: 'the guard answers from a view that is out of date',
    changes: [
      change(VIEW, 'this.stalenessSeconds > this.limits.maxStalenessSeconds', 'this.stalenessSeconds > Infinity'),
    ],
    spec: 'test/propagation/revocation.view.spec.ts',
  },
  {
    name: 'fresh: the horizon of one server is asked of another',
    changes: [change(VIEW, 'reading.server !== before.server || ', '')],
    spec: 'test/propagation/revocation.view.spec.ts',
    only: 'when another server answers',
  },
  {
    name: 'fresh: an increment of another server is news',
    changes: [
      change(
        VIEW,
        'if (!continues && horizon !== null) load',
        'if (!continues && horizon !== null) this.take(load);\n      if (!continues && horizon !== null) load',
      ),
    ],
    spec: 'test/propagation/revocation.view.spec.ts',
    only: 'when another server answers',
  },
  {
    name: 'fresh: a failed reading is followed by an increment',
    changes: [
      change(
        VIEW,
        'this.everything = true;\n      if (!this.stopped)',
        'this.everything ||= horizon === null;\n      if (!this.stopped)',
      ),
    ],
    spec: 'test/propagation/revocation.view.spec.ts',
    only: 'when a reading fails',
  },
  {
    name: 'fresh: the view does not age while the machine sleeps',
    changes: [
      change(
        VIEW,
        'Math.max(performance.now() - monotonic, Date.now() - wall)',
        'performance.now() - monotonic + 0 * wall',
      ),
    ],
    spec: 'test/propagation/revocation.view.spec.ts',
    only: 'of a process that was frozen',
  },
  {
    name: 'fresh: the view does not age when the clock is set back',
    changes: [
      change(VIEW, 'Math.max(performance.now() - monotonic, Date.now() - wall)', 'Date.now() - wall + 0 * monotonic'),
    ],
    spec: 'test/propagation/revocation.view.spec.ts',
    only: 'of a process that was frozen',
  },
  {
    name: 'fresh: a process that was frozen decides by what it knew',
    changes: [change(VIEW, 'this.isFrozen && !this.stopped', 'this.stopped && !this.stopped')],
    spec: 'test/propagation/revocation.view.spec.ts',
    only: 'of a process that was frozen',
  },
  {
    name: 'fresh: nobody waits for a reading that the poll has begun after a freeze',
    changes: [change(VIEW, 'if (this.catchingUp === undefined) await', 'if (this.catchUp === undefined) await')],
    spec: 'test/propagation/revocation.view.spec.ts',
    only: 'of a process that was frozen',
  },
  {
    name: 'fresh: requests wait for a database that is silent',
    changes: [
      change(
        VIEW,
        'inTime(reading, CATCH_UP_MS).catch(() => undefined)',
        'inTime(reading, 60 * CATCH_UP_MS).catch(() => undefined)',
      ),
    ],
    spec: 'test/propagation/revocation.view.spec.ts',
    only: 'of a process that was frozen',
  },
  {
    name: 'fresh: a silent database is taken for a freeze',
    changes: [change(VIEW, 'FROZEN_MS : READ_TIMEOUT_MS + POLL_MS', 'FROZEN_MS : FROZEN_MS')],
    spec: 'test/propagation/revocation.view.spec.ts',
    only: 'of a process that was frozen',
  },
  {
    name: 'fresh: an answer from before a freeze is news',
    changes: [change(VIEW, 'if (msSince(begunAt) > timeoutMs) throw', 'if (msSince(begunAt) === Infinity) throw')],
    spec: 'test/propagation/revocation.view.spec.ts',
    only: 'of a process that was frozen',
  },
  {
    name: 'fresh: the late end of a reading is a sign of life',
    changes: [
      change(
        VIEW,
        'if (!this.isFrozen) this.showLife(FROZEN_MS);\n    }\n    this.outage',
        'this.showLife(FROZEN_MS);\n    }\n    this.outage',
      ),
    ],
    spec: 'test/propagation/revocation.view.spec.ts',
    only: 'of a process that was frozen',
  },
  {
    name: 'fresh: a clock that was set back is not noticed',
    changes: [
      change(
        VIEW,
        'return reading.now.getTime() >= expectedMs - CLOCK_TOLERANCE_MS',
        'return reading.now.getTime() >= expectedMs - Infinity * CLOCK_TOLERANCE_MS',
      ),
    ],
    spec: 'test/propagation/revocation.view.spec.ts',
    only: 'by the clock of the database alone',
  },
  {
    name: 'fresh: tokens are judged by the later of two clocks',
    changes: [
      change(
        VIEW,
        'this.last.reading.now.getTime() + msSince(this.clockReadAt)',
        'Math.max(Date.now(), this.last.reading.now.getTime() + msSince(this.clockReadAt))',
      ),
    ],
    spec: 'test/propagation/revocation.view.spec.ts',
    only: 'by the clock of the database alone',
  },
  {
    name: 'fresh: a revocation is forgotten before the tokens that it refuses',
    changes: [change(VIEW, 'Math.max(known, until)', 'until'), change(VIEW, 'Math.max(nowMs, announcedMs)', 'nowMs')],
    spec: 'test/propagation/revocation.view.spec.ts',
    only: 'by the clock of the database alone',
  },
  {
    name: 'fresh: what was ended before the first reading is never forgotten',
    changes: [
      change(
        VIEW,
        'known === Infinity ? until : Math.max(known, until)',
        'known === Infinity ? known : Math.max(known, until)',
      ),
    ],
    spec: 'test/propagation/revocation.view.spec.ts',
    only: 'by the clock of the database alone',
  },
  {
    name: 'fresh: the horizon is that of the last page',
    changes: [
      change(
        VIEW,
        'nextPage = page.nextPage;',
        'nextPage = page.nextPage;\n      Object.assign(reading, { horizon: page.horizon });',
      ),
    ],
    spec: 'test/propagation/revocation.view.spec.ts',
    only: 'of many revocations',
  },
  {
    name: 'fresh: pages of two servers are one load',
    changes: [change(VIEW, 'if (page.server !== reading.server) throw', "if (page.server === '') throw")],
    spec: 'test/propagation/revocation.view.spec.ts',
    only: 'of many revocations',
  },
  {
    name: 'fresh: everything is loaded by one statement',
    changes: [
      change(
        `${AUTH}/infrastructure/postgres/postgres-revocation.feed.ts`,
        ' ORDER BY id LIMIT ${BATCH}`',
        ' ORDER BY id`',
      ),
    ],
    spec: 'test/infrastructure/postgres-revocation.feed.spec.ts',
    only: 'bounded size',
  },
  {
    name: 'fresh: all servers have one name',
    changes: [
      change(
        `${AUTH}/infrastructure/postgres/postgres-revocation.feed.ts`,
        'extract(epoch FROM pg_postmaster_start_time())::text AS server',
        "'the database' AS server",
      ),
    ],
    spec: 'test/infrastructure/postgres-revocation.feed.spec.ts',
    only: 'names a server anew',
  },
  {
    name: 'fresh: the guard does not wait for the reading after a sleep',
    changes: [
      change(
        `src/guard/access-token.authenticator.ts`,
        'catchingUp === undefined ? this.decide(claims) : catchingUp.then(() => this.decide(claims))',
        'this.decide(claims ?? catchingUp)',
      ),
    ],
    spec: 'test/http/unit/access-token.guard.spec.ts',
    only: 'after a sleep',
  },
  {
    name: 'the guard honours a revoked session',
    changes: [change(`src/guard/access-token.authenticator.ts`, ' || this.view.isRevoked(claims.sid)', '')],
    spec: 'test/http/administration.spec.ts',
    only: 'The administration with the end of one session',
  },
  {
    name: 'the algorithm of the token is trusted',
    changes: [change(JWS, '  if (header.alg !== alg) return false;\n', '  alg = header.alg as typeof alg;\n')],
    spec: 'test/infrastructure/access-token-algorithms.spec.ts',
  },
  {
    name: 'the kind of the key that a kid names is not compared',
    changes: [change(JWS, '  if (header.alg !== alg) return false;\n', '')],
    spec: 'test/infrastructure/access-token-algorithms.spec.ts',
    only: 'under the kid of another kind',
  },
  {
    name: 'a signature of ES256 is in the form of OpenSSL',
    changes: [change(JWS, "({ key, dsaEncoding: 'ieee-p1363' } as const)", '{ key }')],
    spec: 'test/infrastructure/access-token-algorithms.spec.ts',
    only: 'is r and s',
  },
  {
    name: 'a token has several spellings',
    changes: [change(JWS, "bytes.toString('base64url') === base64url ? bytes : null", 'bytes')],
    spec: 'test/infrastructure/jwt-access-token.signer.spec.ts',
    only: 'any one of its characters changed',
  },
  {
    name: 'a public key is taken for a secret',
    changes: [change(ACCESS_KEY, '  if (tag !== 0x30) return false;\n', '  if (tag !== undefined) return false;\n')],
    spec: 'test/domain/access-token-key.spec.ts',
  },
  {
    name: 'a key that cannot be read is tried as a secret',
    changes: [
      change(
        ACCESS_KEY,
        "  return { kid, publicKey: read(() => createPublicKey({ key: buffer, format: 'der', type: 'spki' })) ?? '' };",
        "  const publicKey = read(() => createPublicKey({ key: buffer, format: 'der', type: 'spki' }));\n  return publicKey === null ? { kid, secret: bytes } : { kid, publicKey };",
      ),
    ],
    spec: 'test/domain/access-token-key.spec.ts',
  },
  {
    name: 'a ring begins with a key that only verifies',
    changes: [
      change(ACCESS_KEY, "return first && half === 'public' && sign", "return !first && half === 'private' && sign"),
    ],
    spec: 'test/domain/access-token-key.spec.ts',
    only: 'begins with a key that signs',
  },
  {
    name: 'the last key of the ring signs',
    changes: [change(JWT, 'const [newest] = ring;', 'const newest = ring.at(-1);')],
    spec: 'test/infrastructure/access-token-algorithms.spec.ts',
    only: 'by its first key',
  },
  {
    name: 'the signature of a key management service is believed',
    changes: [change(ACCESS_KEY, 'if (!isSignature(key, signed, signature))', 'if (signature.length === 0)')],
    spec: 'test/embedding/signed-elsewhere.spec.ts',
    only: 'signs with another key',
  },
  {
    name: 'the public keys of a ring hold its secrets',
    changes: [
      change(ACCESS_KEY, "return alg === 'HS256' ? null : {", "return alg === ('none' as typeof alg) ? null : {"),
    ],
    spec: 'test/infrastructure/jwt-access-token.signer.spec.ts',
    only: 'publishes no secret',
  },
  {
    name: 'typ is not checked',
    changes: [change(`src/guard/access-token.ts`, ' || typ !== ACCESS_TOKEN_TYP', '')],
    spec: 'test/infrastructure/jwt-access-token.signer.spec.ts',
  },
  {
    name: 'a view of any age is shown as the policy',
    changes: [
      change(
        `${AUTH}/application/versions/get-security-policy.handler.ts`,
        'this.view.stalenessSeconds < this.options.securityCacheTtlSeconds',
        'true',
      ),
    ],
    spec: 'test/application/get-security-policy.spec.ts',
  },
  {
    name: 'a request while Redis fails has no limit',
    changes: [
      change(
        `${AUTH}/infrastructure/limits/flexible-rate-limits.ts`,
        '      return ask(local);',
        '      return undefined as T;',
      ),
    ],
    spec: 'test/redis/rate-limits.spec.ts',
    only: 'are counted by each for itself while it refuses',
  },

  // Users and what they ask for
  {
    name: 'a rehash overwrites whatever hash is stored',
    changes: [
      change('src/users/typeorm-user.directory.ts', 'this.update({ id, passwordHash: verified }', 'this.update({ id }'),
    ],
    spec: 'test/users/typeorm-user.directory.spec.ts',
    only: 'replaces a hash only while|of many replacements',
  },
  {
    name: 'a deactivation raises no floor',
    changes: [
      change(
        `${AUTH}/application/users/set-user-active.handler.ts`,
        "await this.revocation.revokeAll({ userId }, 'user_deactivated', attempt, by)",
        "{ events: [], n: await this.sessions.revokeSome({ userId, keepLastUsed: 0 }, 'user_deactivated', 1000) }",
      ),
    ],
    spec: 'test/http/administration.spec.ts',
    only: 'The administration of users deactivates',
  },
  {
    name: 'a session that ended with all of its user’s counts as current until its row is marked',
    changes: [
      change(
        `${AUTH}/domain/refresh-decision.ts`,
        'session.revokedAt !== null || session.tokenVersion < floors.endedBelow',
        'session.revokedAt !== null',
      ),
    ],
    spec: 'test/domain/refresh-decision.spec.ts',
    only: 'is no theft when a raise of the floor',
  },
  {
    name: 'the end of all sessions of a user raises the floor and ends none',
    changes: [
      change(
        `${AUTH}/application/sessions/user-revocation.ts`,
        'raiseUserFloor(user.userId, reason, reason)',
        'raiseUserFloor(user.userId, reason, null)',
      ),
    ],
    spec: 'test/http/versions.spec.ts',
    only: 'never forgive a password change',
  },
  {
    name: 'a session below the floor of its user is live until its row is marked',
    changes: [change(SESSIONS, "\n      .andWhere('session.tokenVersion >= COALESCE(floor.minTokenVersion, 1)')", '')],
    spec: 'test/ports/session.repository.spec.ts',
    only: 'PostgreSQL a session that is not live',
  },
  {
    name: 'an old token of a session that ended with all of its user’s is a theft until its row is marked',
    changes: [
      change(
        DECISION,
        '|| session.tokenVersion < floors.endedBelow',
        '|| (behind < 2 && session.tokenVersion < floors.endedBelow)',
      ),
      change(SESSIONS, '`token_version >= COALESCE((SELECT ended_below', '`0 <= COALESCE((SELECT ended_below'),
    ],
    spec: 'test/http/endings.spec.ts',
    only: 'is left right after a log-out everywhere',
  },
  {
    name: 'the mark of ended sessions meets those that were opened since',
    changes: [
      change(
        SESSIONS,
        'session.token_version < floor.ended_below\n              ORDER BY',
        'session.token_version <= floor.ended_below\n              ORDER BY',
      ),
    ],
    spec: 'test/http/endings.spec.ts',
    only: 'is left right after a password change',
  },
  {
    name: 'a clean-up leaves unmarked what a process has ended and not marked',
    changes: [
      change(
        `${AUTH}/application/sessions/clean-up-sessions.handler.ts`,
        'this.sessions.markEnded(null, stop)',
        'Promise.resolve(0)',
      ),
    ],
    spec: 'test/http/endings.spec.ts',
    only: 'left to the next clean-up',
  },
  {
    name: 'a log-out ends one token, not the session',
    changes: [
      change(
        `${AUTH}/application/sessions/log-out.handler.ts`,
        'this.logOut(sessionId, attempt)),',
        "this.logOut(sessionId, attempt, 'refreshToken' in token ? this.credentials['refreshTokens'].open(token.refreshToken)?.generation : undefined)),",
      ),
      change(
        `${AUTH}/application/sessions/log-out.handler.ts`,
        'logOut(sessionId: string, attempt: Attempt)',
        'logOut(sessionId: string, attempt: Attempt, generation?: number)',
      ),
      change(
        `${AUTH}/application/sessions/log-out.handler.ts`,
        "const ended = await this.sessions.revoke(sessionId, 'user_logout');",
        "const ended = (generation ?? session?.generation) === session?.generation && (await this.sessions.revoke(sessionId, 'user_logout'));",
      ),
    ],
    spec: 'test/http/logout.spec.ts',
  },
  {
    name: 'a refusal clears the cookie',
    changes: [
      change(
        `${AUTH}/http/auth.controller.ts`,
        'if (!result.ok) throw problemOf(result.reason, this.options);',
        'if (!result.ok) {\n      this.cookie.clear(request, response);\n      throw problemOf(result.reason, this.options);\n    }',
      ),
    ],
    spec: 'test/http/cookies.spec.ts',
    only: 'stays where it is at a refusal',
  },
  {
    name: 'the cookie works from any origin',
    changes: [change(REFRESH_REQUEST, '  cookie.demandOrigin(request);\n', '')],
    spec: 'test/http/cookies.spec.ts',
    only: 'is used by pages of the origins',
  },
  {
    name: 'a password is longer than bcrypt reads',
    changes: [change(`${AUTH}/domain/password-rules.ts`, '<= MAX_BYTES', '<= MAX_BYTES + 1')],
    spec: 'test/domain/password-rules.spec.ts',
  },
  {
    name: 'an e-mail is compared before it is normalised',
    changes: [change('src/users/email.ts', 'loginSpelling(written)', 'written.trim().toLowerCase()')],
    spec: 'test/users/typeorm-user.directory.spec.ts',
  },
  {
    name: 'the answer tells the reason of a refusal',
    changes: [change(REFRESH_REQUEST, "exposeRefusalReason ? refusal.reason : 'refresh_refused'", 'refusal.reason')],
    spec: 'test/http/refusals.spec.ts',
    only: 'While reasons are hidden',
  },
  // Repairs, credentials, input, decoys, doors, contexts and limits
  {
    name: 'an invisible policy is repaired again and again',
    changes: [
      change(
        `${AUTH}/infrastructure/postgres/policy-row.ts`,
        '  await createPolicy(database, names);\n  const again',
        '  for (let times = 0; times < 50; times++) await createPolicy(database, names);\n  const again',
      ),
    ],
    spec: 'test/infrastructure/unseen-policy.spec.ts',
  },
  {
    name: 'a log-out ends the session of one credential alone',
    changes: [
      change(
        `${AUTH}/http/auth.controller.ts`,
        '[...explicit, { refreshToken: cookie }] : explicit,',
        '[...explicit, { refreshToken: cookie }].slice(0, 1) : explicit.slice(0, 1),',
      ),
    ],
    spec: 'test/http/cookies.spec.ts',
    only: 'beside other credentials',
  },
  {
    name: 'a cookie beside the body is what is refreshed',
    changes: [
      change(
        REFRESH_REQUEST,
        'if (refreshToken !== undefined) return',
        'if (refreshToken !== undefined && cookie.read(request) === undefined) return',
      ),
    ],
    spec: 'test/http/cookies.spec.ts',
    only: 'beside other credentials',
  },
  {
    name: 'the first cookie of the name counts, also one that another host has set',
    changes: [
      change(
        `${AUTH}/http/token-delivery.ts`,
        'values.find((value) => this.keys.open(value) !== null) ?? values[0]',
        'values[0]',
      ),
    ],
    spec: 'test/http/cookies.spec.ts',
    only: 'beside other credentials',
  },
  {
    name: 'a foreign origin passes beside Sec-Fetch-Site',
    changes: [
      change(
        'src/guard/origins.ts',
        "site === 'same-origin' && (origin === undefined || own.length === 0)",
        "site === 'same-origin'",
      ),
    ],
    spec: 'test/http/cookies.spec.ts',
    only: 'is used by pages of the origins',
  },
  {
    name: 'rules of input are kept at the door alone',
    changes: [change(`${AUTH}/domain/input-rules.ts`, 'if (problem !== null) throw', 'if (problem === path) throw')],
    spec: 'test/application/input-rules.spec.ts',
  },
  {
    name: 'a version falls in memory',
    changes: [change('src/testing/in-memory-security-policy.repository.ts', 'if (by < 1)', 'if (by === 0)')],
    spec: 'test/ports/security-policy.repository.spec.ts',
  },
  {
    name: 'an announcement of nothing in memory reaches the guards',
    changes: [
      change('src/testing/in-memory-revocation.feed.ts', 'if (ended.length === 0 && policy === undefined) return;', ''),
    ],
    spec: 'test/ports/revocation.feed.spec.ts',
  },
  {
    name: 'a connection to a server that cannot write goes back to the pool',
    changes: [change('src/postgres/data-source.ts', 'else if (!SPENT.test(code)) return;', 'else return;')],
    spec: 'test/database/data-source.spec.ts',
  },
  {
    name: 'a cheaper hash costs less than an unknown account',
    changes: [
      change(
        `${AUTH}/infrastructure/bcrypt/bcrypt-password-hasher.ts`,
        'for (let more = cost ?? bcryptCost; more < bcryptCost; more++)',
        'for (let more = bcryptCost; more < bcryptCost; more++)',
      ),
    ],
    spec: 'test/infrastructure/bcrypt-password-hasher.spec.ts',
  },
  {
    name: 'a hash of another kind is known at once',
    changes: [
      change(
        `${AUTH}/infrastructure/bcrypt/bcrypt-password-hasher.ts`,
        'cost === null || stored === null ? decoyHash(bcryptCost) : stored',
        'stored === null ? decoyHash(bcryptCost) : stored',
      ),
    ],
    spec: 'test/infrastructure/bcrypt-password-hasher.spec.ts',
  },
  {
    name: 'a replay by the window forgets the key that it came with',
    changes: [change(STATEMENTS, 'COALESCE(${s.retryKeyHash}, $7::bytea)', '${s.retryKeyHash}')],
    spec: 'test/http/replay.spec.ts',
    only: 'a client that begins to send keys',
  },
  {
    name: 'a clock that steps back opens the window',
    changes: [change(DECISION, 'age >= 0 && age <', 'age <')],
    spec: 'test/domain/refresh-decision.spec.ts',
  },
  {
    name: 'an address counts by its spelling',
    changes: [change(`${AUTH}/domain/network.ts`, 'behind ??\n', '')],
    spec: 'test/domain/network.spec.ts',
  },
  {
    name: 'a device name turns the text after it',
    changes: [change(`${AUTH}/domain/input-rules.ts`, '|${TURNING.source}', '')],
    spec: 'test/domain/attempt.spec.ts',
  },
  {
    name: 'a charset that clients spell otherwise is no JSON',
    changes: [change(`${AUTH}/http/kit/json-body.ts`, 'utf-?8|"utf-?8"', 'utf-8|"utf-8"')],
    spec: 'test/http/unit/body.spec.ts',
  },
  {
    name: 'a slash at the end is another route on one adapter',
    changes: [change(`${AUTH}/http/kit/http-server.ts`, 'ignoreTrailingSlash: true', 'ignoreTrailingSlash: false')],
    spec: 'test/http/unit/body.spec.ts',
    only: 'a path with a slash',
  },
  {
    name: 'GraphQL is not told that a token is what is missing',
    changes: [change('src/guard/nest/problem.exception.ts', "  401: 'UNAUTHENTICATED',\n", '')],
    spec: 'test/http/unit/contexts.spec.ts',
  },
  {
    name: 'a message is taken for a request',
    changes: [
      change(
        'src/guard/nest/access-token.guard.ts',
        'default:\n        return WITHOUT_HEADERS;',
        'default:\n        return context.switchToHttp().getRequest();',
      ),
    ],
    spec: 'test/http/unit/contexts.spec.ts',
  },
  {
    name: 'a password change takes the e-mail for the login',
    changes: [
      change(
        `${AUTH}/application/host-users.ts`,
        'if (this.directory.findByIdWithPassword !== undefined)',
        'if (this.directory.findByIdWithPassword === null)',
      ),
    ],
    spec: 'test/application/users-elsewhere.spec.ts',
  },
  {
    name: "an ending finds sessions by the caller's spelling of an id",
    changes: [change(`${AUTH}/application/host-users.ts`, '(await this.findById(id))?.id ?? id', 'id')],
    spec: 'test/application/user-ids.spec.ts',
  },
  {
    name: 'a session is refreshed whose user the directory spells otherwise',
    changes: [
      change(`${AUTH}/application/refresh/refresh-judge.ts`, 'user: user?.id === userId ? user : null', 'user'),
    ],
    spec: 'test/application/host-users.spec.ts',
    only: 'otherwise than at the login',
  },
  {
    name: 'a number that a directory returns is an id',
    changes: [change(`${AUTH}/ports/user-directory.ts`, 'id: userIdProblem(id),', 'id: null,')],
    spec: 'test/application/host-users.spec.ts',
    only: 'a user whose id',
  },
  {
    name: 'an actor has any text for an id',
    changes: [
      change(
        `${AUTH}/application/actor.ts`,
        "if (id !== null) demand({ 'actor.userId': userIdProblem(id) });",
        'void [demand, userIdProblem];',
      ),
    ],
    spec: 'test/application/host-users.spec.ts',
    only: 'the id of the actor',
  },
  {
    name: "the end of a session of somebody undefined is the end of anybody's",
    changes: [
      change(
        `${AUTH}/application/sessions/revoke-session.command.ts`,
        "'of' in options ? (options.of ?? '') : undefined",
        'options.of',
      ),
    ],
    spec: 'test/application/host-users.spec.ts',
    only: 'is there and is undefined',
  },
  {
    name: 'a directory returns the id that it was asked for',
    changes: [
      change(
        'src/users/typeorm-user.directory.ts',
        'return this.users.findOne({ where: { id }, select: { id: true, email: true, roles: true, isActive: true } });',
        'return this.users.findOne({ where: { id }, select: { id: true, email: true, roles: true, isActive: true } }).then((found) => found && { ...found, id });',
      ),
    ],
    spec: 'test/users/typeorm-user.directory.spec.ts',
    only: 'as it is stored',
  },
  {
    name: 'a joined column that is no boolean makes a user inactive',
    changes: [change(STATEMENTS, 'isActive: isActive ?? false, claims }', 'isActive: isActive === true, claims }')],
    spec: 'test/embedding/joined-users.spec.ts',
    only: 'is_active',
  },
  {
    name: 'a body that never comes is waited for',
    changes: [
      change(
        `${AUTH}/http/kit/http-server.ts`,
        'server.requestTimeout = server.headersTimeout = REQUEST_TIMEOUT_MS;',
        'server.requestTimeout = REQUEST_TIMEOUT_MS;',
      ),
      change(`${AUTH}/http/kit/http-server.ts`, '  server.connectionsCheckingInterval = LOOK_MS;\n', ''),
    ],
    spec: 'test/http/unit/slow-requests.spec.ts',
  },
  {
    name: 'a migration waits for its locks, and everyone behind it',
    changes: [
      change('src/postgres/migrate.ts', 'SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}', 'SET LOCAL lock_timeout = 0'),
    ],
    spec: 'test/database/migrate.spec.ts',
    only: 'a long reader',
  },
  {
    name: 'a login counts the hash of its first look-up',
    changes: [
      change(
        `${AUTH}/application/sign-in/password-proof.ts`,
        'const found = await this.users.findByLogin(login);',
        'const found = known;',
      ),
    ],
    spec: 'test/http/password-races.spec.ts',
    only: 'its floors are read',
  },
  {
    name: 'a role that is replaced raises no floor',
    changes: [
      change(
        `${AUTH}/application/users/set-user-roles.handler.ts`,
        'before.some((role) => !roles.includes(role))',
        'before.length > roles.length',
      ),
    ],
    spec: 'test/http/administration.spec.ts',
    only: 'replaces a role',
  },
  {
    name: 'an inactive user changes a password',
    changes: [
      change(
        `${AUTH}/application/sign-in/change-password.handler.ts`,
        'found.id === userId && found.isActive',
        'found.id === userId',
      ),
    ],
    spec: 'test/http/password-races.spec.ts',
    only: 'a user who is inactive',
  },
  {
    name: 'a session that has moved on ends with the user of its past',
    changes: [
      change(
        `${AUTH}/application/sessions/session-termination.ts`,
        "'token_version_rejected', 'user_deactivated']",
        "'token_version_rejected']",
      ),
    ],
    spec: 'test/http/versions.spec.ts',
    only: 'let that user in again',
  },
  {
    name: 'emailClaim does nothing',
    changes: [
      change(
        `${AUTH}/application/token-pair.issuer.ts`,
        '...(this.options.emailClaim ? { email: user.email } : {}),',
        '',
      ),
    ],
    spec: 'test/application/email-claim.spec.ts',
  },
  {
    name: 'two reuses at once do not see each other',
    changes: [
      change(
        `${AUTH}/application/sessions/session-termination.ts`,
        "      await this.sessions.lockUser(session.userId); // two reuses at once must see each other's count\n",
        '',
      ),
    ],
    spec: 'test/http/reuse.spec.ts',
    only: 'both come at once',
  },
  {
    name: 'a public operation says nothing of its security',
    changes: [change(`${AUTH}/http/kit/swagger.ts`, 'if (path[method]) path[method].security ??= [];', 'void method;')],
    spec: 'test/http/unit/swagger.spec.ts',
  },
  {
    name: 'a standby is ready',
    changes: [change('src/operations/health.controller.ts', 'if (row?.writable !== true)', 'if (row === undefined)')],
    spec: 'test/operations/health.spec.ts',
    only: 'accepts no changes',
  },
  {
    name: 'a trace id is returned and recorded as it was sent',
    changes: [change('src/support/trace-context.ts', '/^(?!0{32})[\\da-f]{32}$/', '/^[^]*$/')],
    spec: 'test/operations/requests.spec.ts',
  },
  {
    name: 'a random request id is returned, and refusals differ',
    changes: [
      change('src/operations/requests.ts', 'if (given !== undefined) response.setHeader', 'response.setHeader'),
      change('src/operations/requests.ts', "'X-Request-Id', given)", "'X-Request-Id', given ?? randomUUID())"),
    ],
    spec: 'test/operations/requests.spec.ts',
  },
  {
    name: 'the path of a request becomes a label',
    changes: [
      change('src/operations/requests.ts', "route: route ?? 'unmatched',", "route: request.url ?? 'unmatched',"),
    ],
    spec: 'test/operations/metrics.spec.ts',
  },
  {
    name: 'the first theft after a start is no increase',
    changes: [
      change('src/audit/audit.listeners.ts', 'for (const { type } of ALERTS) this.alerts.inc({ event: type }, 0);', ''),
    ],
    spec: 'test/operations/metrics.spec.ts',
  },
  {
    name: 'origins are those of https alone',
    changes: [
      change(
        `${AUTH}/options/complete-options.ts`,
        ': /^[a-z][a-z\\d+.-]*:\\/\\/[a-z\\d._-]+(:\\d+)?$/.test(value));',
        ': false);',
      ),
    ],
    spec: 'test/embedding/options.spec.ts',
  },
  {
    name: 'an empty DATABASE_URL starts the embedded database with its public administrator',
    changes: [
      change(
        'src/config.ts',
        "    this.demand(name, written !== '', 'must not be empty: remove it to use the default');\n",
        '',
      ),
    ],
    spec: 'test/config/config.spec.ts',
  },
  {
    name: 'demo accounts are open to a network',
    changes: [change('src/config.ts', 'embedded && isLocal);', 'embedded);')],
    spec: 'test/config/config.spec.ts',
  },
  {
    name: 'what a server in recovery knows is news',
    changes: [
      change(`${AUTH}/infrastructure/postgres/postgres-revocation.feed.ts`, 'if (row.stale) throw', 'if (!row) throw'),
    ],
    spec: 'test/infrastructure/postgres-revocation.feed.spec.ts',
    only: 'accepts no changes',
  },
  {
    name: 'junk beside a cookie is a credential',
    changes: [
      change(
        `${AUTH}/http/auth.controller.ts`,
        'cookie !== undefined && !(await this.isAnyGenuine(explicit))',
        'explicit.length === 0',
      ),
    ],
    spec: 'test/http/cookies.spec.ts',
    only: 'beside other credentials',
  },
  {
    name: 'a principal is shared by all requests of its token',
    changes: [change('src/guard/access-token.authenticator.ts', '[...claims.roles]', 'claims.roles')],
    spec: 'test/http/unit/contexts.spec.ts',
  },
  {
    name: 'a refused message has no answer',
    changes: [
      change(
        'src/guard/nest/problem-details.filter.ts',
        "if (host.getType() !== 'rpc' || !(problem instanceof Error)) throw problem;",
        'throw problem;',
      ),
    ],
    spec: 'test/http/unit/contexts.spec.ts',
  },

  // A host's database
  {
    name: 'a transaction begins as the host has it',
    changes: [change(HOST_SETTINGS, 'text === START ? START_AS_NEEDED : text', 'text')],
    spec: 'test/infrastructure/typeorm-unit-of-work.spec.ts',
    only: 'reads committed rows',
  },
  {
    name: 'a replica or a cache answers',
    changes: [change(HOST_SETTINGS, '{ value: new EntityManager(dataSource) }', '{ value: host.manager }')],
    spec: 'test/infrastructure/typeorm-unit-of-work.spec.ts',
    only: 'asks the primary',
  },
  {
    name: "auth reads through the host's parsers",
    changes: [change(HOST_SETTINGS, '...(types && { types }),', '')],
    spec: 'test/infrastructure/host-settings.spec.ts',
  },
  {
    name: "the refresh reads through the host's parsers",
    changes: [change(HOST_SETTINGS, 'const query = { ...statement, types: OWN_TYPES };', 'const query = statement;')],
    spec: 'test/infrastructure/host-settings.spec.ts',
  },
  {
    name: "a statement that the host's isolation ended is a fault",
    changes: [change(HOST_SETTINGS, 'if (!failedWith(error, ...PASSING)) throw error;', 'throw error;')],
    spec: 'test/http/isolation.spec.ts',
  },
  {
    name: "a host's style of dates does not stop the start",
    changes: [
      change(
        `${AUTH}/infrastructure/postgres/database-problems.ts`,
        "if (!dateStyle.startsWith('ISO'))",
        "if (dateStyle === '')",
      ),
    ],
    spec: 'test/database/host-settings.spec.ts',
    only: 'DateStyle',
  },
  {
    name: 'a start in a database of the host is not checked',
    changes: [change(`${AUTH}/infrastructure/postgres/providers.ts`, '    DatabaseCheck,\n', '')],
    spec: 'test/database/host-settings.spec.ts',
    only: 'stops the start',
  },
  {
    name: 'a clean-up of a host ends with its first failure',
    changes: [
      change(
        `${AUTH}/application/sessions/clean-up-sessions.handler.ts`,
        'failures.push({ step, problem: messageOf(error) });',
        'throw error;',
      ),
    ],
    spec: 'test/http/clean-up.spec.ts',
    only: 'does the other steps',
  },
  {
    name: 'a table is found by the search path',
    changes: [
      change(
        `${AUTH}/infrastructure/postgres/postgres-revocation.feed.ts`,
        'FROM ${policy} p WHERE',
        'FROM security_policy p WHERE',
      ),
    ],
    spec: 'test/database/schemas.spec.ts',
  },
  {
    name: 'any text is cast to the id of a table',
    changes: [change(STATEMENTS, '`CASE WHEN ${holds(id)} THEN ${id}::${type} END`', '`${id}::${type}`')],
    spec: 'test/infrastructure/user-table.spec.ts',
  },
  // Partitions
  {
    name: 'partitions overlap when their unit changes',
    changes: [
      change(PARTITION_PLAN, 'const to = Math.min(endOf(unit, from), gap.to);', 'const to = endOf(unit, from);'),
    ],
    spec: 'test/infrastructure/partition-plan.spec.ts',
  },
  {
    name: 'retention skips DEFAULT',
    changes: [change(PARTITIONS, 'const rows = await this.deleteFromDefault(log, old, stop);', 'const rows = 0;')],
    spec: 'test/infrastructure/auth-event-partitions.spec.ts',
    only: 'past retention',
  },
  {
    name: 'a partition is attached without its rows of DEFAULT',
    changes: [change(PARTITIONS, 'const move = inUse\n', 'const move = range.to < range.from\n')],
    spec: 'test/infrastructure/auth-event-partitions.spec.ts',
    only: 'with rows in DEFAULT take them along',
  },
  {
    name: 'the log is open while rows leave DEFAULT',
    changes: [change(PARTITIONS, 'LOCK TABLE ONLY ${events} IN ACCESS EXCLUSIVE MODE;', '')],
    spec: 'test/infrastructure/auth-event-partitions.spec.ts',
    only: 'are found by those who read or write',
  },
  {
    name: 'a partition that was detached before a crash stays for ever',
    changes: [change(PARTITIONS, 'of detached(await this.read())) {', 'of past) {')],
    spec: 'test/infrastructure/auth-event-partitions.spec.ts',
    only: 'are dropped by the next clean-up',
  },
  {
    name: 'a clean-up drops what somebody has detached to keep it',
    changes: [
      change(
        PARTITIONS,
        "const IS_MARKED = `COALESCE(obj_description(child.oid, 'pg_class') = '${MARK}', false)`;",
        "const IS_MARKED = `child.relname ~ '^auth_events_20'`;",
      ),
    ],
    spec: 'test/infrastructure/auth-event-partitions.spec.ts',
    only: 'are left alone when somebody has detached',
  },

  {
    name: 'a unit of work that ends takes the others that are under way out of their transactions',
    changes: [
      change(
        `${AUTH}/infrastructure/postgres/typeorm-unit-of-work.ts`,
        'if (--this.running === 0) this',
        'this.running--; this',
      ),
    ],
    spec: 'test/infrastructure/typeorm-unit-of-work.spec.ts',
    only: 'goes on when another one ends',
  },

  // Rotations that share their write
  ...[
    {
      name: 'a batch of rotations waits for the one that it passed over',
      find: 'return given.map((one) => rotated.has(one));',
      replace: 'return Promise.all(given.map(async (one) => rotated.has(one) || this.alone(one.values)));',
      only: 'wait for nobody',
    },
    {
      name: 'a rotation that fails on its own way counts as granted',
      find: '|| this.alone(values);',
      replace: '|| this.alone(values).catch(() => true);',
      only: 'fail alone',
    },
    {
      name: 'rotations of unknown outcome are decided anew',
      find: 'if (wasRefused(error))',
      replace: 'if (error !== null)',
      only: 'all fail with their connection',
    },
    {
      name: 'one record that cannot be stored fails every rotation of its batch',
      find: 'if (wasRefused(error))',
      replace: 'if (error === null)',
      only: 'fail alone',
    },
  ].map(({ name, find, replace, only }) => ({
    name,
    changes: [change(`${AUTH}/infrastructure/postgres/shared-rotations.ts`, find, replace)],
    spec: 'test/infrastructure/shared-rotations.spec.ts',
    only,
  })),
  ...[
    {
      name: 'what a batch records is what it locked, and not what it changed',
      find: 'FROM changed JOIN given USING (place))\n',
      replace: `FROM (SELECT place, \${given(1)} AS session_id, 'anybody' AS user_id FROM free JOIN given USING (place)) AS changed JOIN given USING (place))\n`,
      only: 'change nothing, and record nothing',
    },
    {
      name: 'a batch waits for rows that somebody else has locked',
      find: ' FOR NO KEY UPDATE SKIP LOCKED)',
      replace: ' FOR NO KEY UPDATE)',
      only: 'wait for nobody',
    },
    {
      name: 'a rotation reads the floor again when it writes',
      find: '${s.tokenVersion} = ${$(8)},',
      replace:
        '${s.tokenVersion} = GREATEST(${$(8)}, (SELECT min_token_version FROM ${floors} f WHERE f.user_id = ${sessions}.user_id)),',
      only: 'are stamped with the floors that the decision read',
    },
  ].map(({ name, find, replace, only }) => ({
    name,
    changes: [change(`${AUTH}/infrastructure/postgres/refresh-statements.ts`, find, replace)],
    spec: 'test/infrastructure/shared-rotations.spec.ts',
    only,
  })),

  // Endings that spare a session
  {
    name: 'all other sessions end in one transaction, however many they are',
    changes: [change(`${AUTH}/application/sessions/other-sessions.revocation.ts`, 'BATCH = 1000', 'BATCH = 1_000_000')],
    spec: 'test/http/sessions.spec.ts',
    only: 'in batches of 1,000',
  },
  {
    name: 'the end of all other sessions is in the history of the one that was spared',
    changes: [
      change(`${AUTH}/application/history/get-session-history.handler.ts`, 'exceptSessionId !== sessionId && ', ''),
    ],
    spec: 'test/http/sessions.spec.ts',
    only: 'of the spared one the end that it meets later',
  },
  {
    name: 'a batch of endings is in the history of sessions that it did not reach',
    changes: [
      change(
        `${AUTH}/application/history/get-session-history.handler.ts`,
        " && (typeof throughSessionId !== 'string' || sessionId <= throughSessionId)",
        '',
      ),
    ],
    spec: 'test/http/sessions.spec.ts',
    only: 'of the spared one the end that it meets later',
  },
  {
    name: 'a sign-in evicts every session above the limit, however many they are',
    changes: [change(SESSIONS, 'limit(Math.min(excess, limit))', 'limit(excess)')],
    spec: 'test/http/eviction.spec.ts',
    only: 'a login ends 1,000',
  },
  {
    name: 'nobody evicts what a sign-in has left',
    changes: [
      change(
        `${AUTH}/application/sessions/clean-up-sessions.handler.ts`,
        'this.limit.evictTheRest(stop)',
        'Promise.resolve(0)',
      ),
    ],
    spec: 'test/http/eviction.spec.ts',
    only: 'a login ends 1,000',
  },

  // Pages
  {
    name: 'the position of a page is in milliseconds',
    changes: [
      change(
        SESSIONS,
        "microsecondsOf('session.last_used_at')",
        "`(floor(${microsecondsOf('session.last_used_at')} / 1000) * 1000)`",
      ),
    ],
    spec: 'test/infrastructure/typeorm-session.repository.spec.ts',
    only: 'are paged',
  },

  // Users verified otherwise
  {
    name: 'a sealed user is accepted after its ten minutes',
    changes: [
      change(`${AUTH}/application/sign-in/open-session.handler.ts`, 'if (isOver(proof, now)) return TOO_OLD;', ''),
    ],
    spec: 'test/application/open-session.spec.ts',
    only: 'is refused in one way',
  },
  {
    name: 'a sealed user opens as many sessions as it is presented for',
    changes: [
      change(
        `${AUTH}/application/sign-in/open-session.handler.ts`,
        'const sessionId = proof?.sessionId;',
        'const sessionId = undefined;',
      ),
    ],
    spec: 'test/application/open-session.spec.ts',
    only: 'is refused in one way',
  },
  {
    name: 'the stamps of a sealed user are read at the opening',
    changes: [
      change(
        `${AUTH}/application/sign-in/open-session.handler.ts`,
        'stamps: proof.stamps, proof',
        'stamps: stampsOf(floors), proof',
      ),
    ],
    spec: 'test/application/open-session.spec.ts',
    only: 'is dead on arrival',
  },
  {
    name: 'two that use a sealed user at once do not wait for each other',
    changes: [
      change(
        `${AUTH}/application/sign-in/open-session.handler.ts`,
        'await this.sessions.lockUser(admitted.user.id);',
        '',
      ),
    ],
    spec: 'test/application/open-session.spec.ts',
    only: 'opens once',
  },
  {
    name: 'a sealed user is sealed by a key of the refresh tokens',
    changes: [change(`${AUTH}/domain/verified-user.ts`, "'ratchet vu1 verified user'", "'ratchet rt1 mac'")],
    spec: 'test/domain/verified-user.spec.ts',
  },
  {
    name: 'a reserved claim overwrites those of auth',
    changes: [
      change(`${AUTH}/domain/claims.ts`, "if (isReservedClaim(name)) return 'must not have a reserved name';", ''),
      change(
        JWT,
        '{ ...claims, ...ours, iss, aud, client_id: this.clientId, gv, uv, roles, auth_time, act, cnf }',
        '{ ...ours, iss, aud, client_id: this.clientId, gv, uv, roles, auth_time, act, cnf, ...claims }',
      ),
    ],
    spec: 'test/application/claims.spec.ts',
    only: 'fail no refresh',
  },
  {
    name: 'the claims of a session count more than those of the user',
    changes: [
      change(
        `${AUTH}/domain/claims.ts`,
        '      merged[name] = value;\n    }\n  }',
        '      merged[name] ??= value;\n    }\n  }',
      ),
    ],
    spec: 'test/domain/claims.spec.ts',
  },
  {
    name: 'a rotation moves the time of the proof',
    changes: [change(STATEMENTS, '${s.rotatedAt} = now(),', '${s.rotatedAt} = now(), ${s.authTime} = now(),')],
    spec: 'test/ports/session.repository.spec.ts',
    only: 'stays through rotations',
  },
  {
    name: 'a token that knows no time of its proof is recent enough',
    changes: [
      change(
        'src/guard/nest/freshness.ts',
        '(authTime !== null && seconds - authTime <= maxAgeSeconds)',
        'authTime === null || seconds - authTime <= maxAgeSeconds',
      ),
    ],
    spec: 'test/http/unit/access-token.guard.spec.ts',
    only: 'is answered by',
  },
  {
    name: 'a public route with a demand for a recent proof stays open',
    changes: [
      change(
        'src/guard/nest/access-token.guard.ts',
        "access === 'public' && freshness === undefined",
        "access === 'public'",
      ),
    ],
    spec: 'test/http/unit/access-token.guard.spec.ts',
    only: 'is answered by',
  },

  // Forgotten passwords
  {
    name: 'the floor of a reset ticket is not compared',
    changes: [
      change(RESET, 'if (floors.userMinTokenVersion !== floor) return USED;', ''),
      change(
        `${AUTH}/application/sessions/user-revocation.ts`,
        'raiseUserFloorFrom(floor, user.userId, reason, reason)',
        'raiseUserFloor(user.userId, reason, reason)',
      ),
    ],
    spec: 'test/application/password-reset.spec.ts',
    only: 'is refused in one way',
  },
  {
    name: 'of two who present a reset ticket at once, both set a password',
    changes: [
      change(
        `${AUTH}/infrastructure/postgres/typeorm-security-policy.repository.ts`,
        '\n           WHERE $4 IS NULL OR floor.min_token_version = $4',
        '',
      ),
    ],
    spec: 'test/application/password-reset.spec.ts',
    only: 'in PostgreSQL, a reset of the password happens once',
  },
  {
    name: 'a reset raises the floor of a user who has none from any value',
    changes: [
      change(
        `${AUTH}/infrastructure/postgres/typeorm-security-policy.repository.ts`,
        'WHERE $4::integer IS NULL OR $4 = 1 OR EXISTS',
        'WHERE $4::integer IS NULL OR $4 >= 1 OR EXISTS',
      ),
    ],
    spec: 'test/ports/security-policy.repository.spec.ts',
    only: 'rise from exactly one value',
  },
  {
    name: 'the purpose of a ticket is not compared',
    changes: [change(`${AUTH}/domain/reset-ticket.ts`, 'return purpose === PURPOSE ?', 'return purpose ?')],
    spec: 'test/domain/reset-ticket.spec.ts',
    only: 'another purpose',
  },
  {
    name: 'a reset ticket is accepted after its time',
    changes: [change(RESET, 'if (isTooOld(ticket, this.options.resetTicketTtlSeconds, now)) return TOO_OLD;', '')],
    spec: 'test/application/password-reset.spec.ts',
    only: 'is refused in one way',
  },
  {
    name: 'a reset that stored no hash spends its ticket',
    changes: [change(RESET, 'throw new HashReplaced();', 'return null;')],
    spec: 'test/application/password-reset.spec.ts',
    only: 'is put off',
  },

  // Acting for a user
  {
    name: 'the guard does not ask for the floor of the actor',
    changes: [
      change(
        'src/guard/access-token.authenticator.ts',
        'if (act !== undefined && !this.isActorHonoured(act, claims.stamps)) return null;',
        '',
      ),
    ],
    spec: 'test/http/unit/access-token.guard.spec.ts',
    only: 'a raised floor of the user, one of the actor',
  },
  {
    name: 'an acting token is accepted by the routes of sessions',
    changes: [
      change(
        `${AUTH}/http/kit/auth-routes.ts`,
        'UseFilters(ProblemDetailsFilter), InPerson());',
        'UseFilters(ProblemDetailsFilter));',
      ),
    ],
    spec: 'test/http/acting.spec.ts',
    only: 'is refused by every route',
  },
  {
    name: 'an acting token is accepted where a recent proof is required',
    changes: [
      change(
        'src/guard/nest/access-token.guard.ts',
        'const inPerson = freshness !== undefined || ',
        'const inPerson = ',
      ),
    ],
    spec: 'test/http/unit/access-token.guard.spec.ts',
    only: 'is answered 403',
  },
  {
    name: 'an acting token administers',
    changes: [
      change(
        'src/guard/nest/access-token.guard.ts',
        'roles?.includes(ADMINISTRATOR) === true;',
        'roles?.includes(ADMINISTRATOR) === null;',
      ),
    ],
    spec: 'test/http/unit/access-token.guard.spec.ts',
    only: 'is answered 403',
  },
  {
    name: 'an acting token is accepted by Passport, which knows no route',
    changes: [
      change(
        `${AUTH}/http/access-token.strategy.ts`,
        'return principal?.actor === null ? principal : null;',
        'return principal;',
      ),
    ],
    spec: 'test/http/unit/access-token.guard.spec.ts',
    only: 'composed is answered 401',
  },
  {
    name: 'a log-out with an acting token ends the session of the actor',
    changes: [
      change(
        `${AUTH}/application/sessions/session-credentials.ts`,
        'claims === null || claims.act !== undefined ? null',
        'claims === null ? null',
      ),
    ],
    spec: 'test/http/acting.spec.ts',
    only: 'ends no session by a log-out',
  },
  {
    name: 'somebody acts for a user without a reason',
    changes: [change(ACT_AS, '      reason: reasonProblem(reason),\n', '')],
    spec: 'test/application/act-as.spec.ts',
    only: 'without a reason',
  },
  {
    name: 'somebody acts for a user before it is recorded',
    changes: [change(ACT_AS, 'await this.events.record([new UserActedAs', 'void (() => undefined)([new UserActedAs')],
    spec: 'test/application/act-as.spec.ts',
    only: 'without its record',
  },
  {
    name: 'the floor of the user is read after the actor is judged',
    changes: [
      change(
        ACT_AS,
        'this.issuer.issueActing(user, floors.userMinTokenVersion,',
        'this.issuer.issueActing(user, (await this.policies.floorsOf(userId)).floors.userMinTokenVersion,',
      ),
    ],
    spec: 'test/application/act-as.spec.ts',
    only: 'dead on arrival',
  },
  {
    name: 'an actor whose session is over acts for a user',
    changes: [change(ACT_AS, "if (!isLive(session, floors, now)) return 'actor_session_ended';", '')],
    spec: 'test/application/act-as.spec.ts',
    only: 'gets no token after',
  },
  {
    name: 'an acting token outlives the drain of its actor',
    changes: [
      change(
        `${AUTH}/application/token-pair.issuer.ts`,
        'const exp = expiryOf(session, reading, ttl);',
        'const exp = iat + ttl;',
      ),
    ],
    spec: 'test/application/act-as.spec.ts',
    only: 'no longer than the session lives',
  },
  {
    name: 'an actor of an actor is taken for an actor',
    changes: [change('src/guard/access-token.ts', "  Object.keys(value).sort().join() === 'sub,uv' &&\n", '')],
    spec: 'test/infrastructure/jwt-access-token.signer.spec.ts',
    only: 'another type or value of act',
  },
  {
    name: 'an open socket is not judged again',
    changes: [
      change('src/guard/nest/authenticate-socket.ts', 'if (await isAccepted(authenticator, token)) return;', 'return;'),
    ],
    spec: 'test/http/unit/authenticate-socket.spec.ts',
    only: 'is disconnected when its session ends',
  },
  {
    name: 'an instance that cannot decide keeps its sockets',
    changes: [
      change(
        'src/guard/nest/authenticate-socket.ts',
        '  } catch {\n    return false;',
        '  } catch {\n    return true;',
      ),
    ],
    spec: 'test/http/unit/authenticate-socket.spec.ts',
    only: 'cannot decide any more',
  },
  {
    name: "a user sealed by the host has no stamps of the user's floor",
    changes: [
      change(
        `${AUTH}/application/sign-in/seal-verified-user.handler.ts`,
        'stampsOf(floors)',
        'stampsOf({ ...floors, userMinTokenVersion: 1_000_000 })',
      ),
    ],
    spec: 'test/application/open-session.spec.ts',
    only: 'whom the host has sealed is dead',
  },
  {
    name: 'a link passes for a password',
    changes: [change('docs/embedding.md', 'if (proof?.method !== method)', 'if (proof === null)')],
    spec: 'test/docs/verified-otherwise.spec.ts',
    only: 'takes no link for a password',
  },
  // Step-up
  {
    name: 'a reauthentication proceeds without a look at the password',
    changes: [change(REAUTHENTICATE, 'if (!matches) return {', 'if (!matches && account === null) return {')],
    spec: 'test/http/reauthentication.spec.ts',
    only: 'with a wrong password changes nothing',
  },
  {
    name: 'a replay writes no proof',
    changes: [change(REFRESH, 'maxReplays, proof };', 'maxReplays, proof: undefined };')],
    spec: 'test/http/reauthentication.spec.ts',
    only: 'within the window gets the identical successor',
  },
  {
    name: 'a wrong password rotates',
    changes: [
      change(
        REFRESH,
        'await this.events.record(stepUp.failed(unproven.reason));',
        'await this.events.record(stepUp.failed(unproven.reason)); await this.apply(judgement, attempt, undefined);',
      ),
    ],
    spec: 'test/http/reauthentication.spec.ts',
    only: 'with a wrong password changes nothing',
  },
  {
    name: 'a wrong password of a session is not counted',
    changes: [change(REAUTHENTICATE, 'await this.passwords.count(login, attempt.network);', '')],
    spec: 'test/http/reauthentication.spec.ts',
    only: 'count with those of its logins',
  },
  {
    name: 'the password is asked for before the token is judged',
    changes: [
      change(
        REFRESH,
        'if (judgement.granted && stepUp !== undefined) {',
        'if (stepUp !== undefined && judgement.facts?.user) {\n          Object.assign(judgement.decision, { user: judgement.facts.user });',
      ),
      change(REFRESH, 'await stepUp.prove(judgement);', 'await stepUp.prove(judgement as never);'),
    ],
    spec: 'test/http/reauthentication.spec.ts',
    only: 'asks a dead token for no password',
  },
  {
    name: 'a round that decides anew asks for the password again',
    changes: [change(STEP_UP, 'if (this.answered !== null) return null;', '')],
    spec: 'test/http/reauthentication.spec.ts',
    only: 'checks the password once',
  },
  {
    name: 'a new time of a proof keeps the level of an old one',
    changes: [
      change(REFRESH, '{ ...proof, claims: session.claims,', '{ ...proof, acr: session.acr, claims: session.claims,'),
    ],
    spec: 'test/http/reauthentication.spec.ts',
    only: 'is a refresh that proves the password again',
  },
  {
    name: 'a proof is recorded beside the change that it is for',
    changes: [
      change(
        REFRESH,
        'return { value, events: value ? stepUp.succeeded() : [] };\n    });',
        'return { value, events: [] };\n    }).then(async (value) => {\n      if (value) await this.events.record(stepUp.succeeded());\n      return value;\n    });',
      ),
    ],
    spec: 'test/http/reauthentication.spec.ts',
    only: 'and its record are one change',
  },
  {
    name: "a factor of one user steps up another user's session",
    changes: [
      change(
        `${AUTH}/application/refresh/step-up-session.handler.ts`,
        '(await this.users.spellingOf(userId)) !== user.id',
        '(await this.users.spellingOf(userId)) === undefined',
      ),
    ],
    spec: 'test/application/step-up-session.spec.ts',
    only: 'is untouched by the factor of another user',
  },
  {
    name: 'adminReauthentication is asked of nobody',
    changes: [change(RECENT_PROOF, 'if (maxAgeSeconds === null) return true;', 'return true;')],
    spec: 'test/http/recent-proof.spec.ts',
    only: 'requires a proof of the last 15 minutes',
  },
  {
    name: "one of an administrator's writes requires no recent proof",
    changes: [
      change(
        'src/users/http/admin-users.controller.ts',
        "  @RecentProof('adminReauthentication')\n  @Patch(':id')",
        "  @Patch(':id')",
      ),
    ],
    spec: 'test/http/recent-proof.spec.ts',
    only: 'requires a proof of the last 15 minutes',
  },
  {
    name: 'a log-out everywhere requires no recent proof',
    changes: [
      change(
        `${AUTH}/http/auth.controller.ts`,
        "  @RecentProof('sessionReauthentication')\n  @NoStore()\n  @HttpCode(200)\n  @Post('logout-all')",
        "  @NoStore()\n  @HttpCode(200)\n  @Post('logout-all')",
      ),
    ],
    spec: 'test/http/recent-proof.spec.ts',
    only: 'where SESSION_REAUTHENTICATION says so',
  },
  // OAuth's shapes
  {
    name: 'OAuth: the JWKS holds a secret',
    changes: [change(`${AUTH}/domain/access-token-key.ts`, "alg === 'HS256' ? null : {", '{')],
    spec: 'test/http/oauth.spec.ts',
    only: 'on fastify at the well-known places',
  },
  {
    name: 'OAuth: the token of another client_id is accepted',
    changes: [
      change(
        `${AUTH}/http/oauth/oauth.controller.ts`,
        'if (demanded(form, path) !== this.options.oauthClientId)',
        "if (demanded(form, path) === '')",
      ),
    ],
    spec: 'test/http/oauth.spec.ts',
    only: 'on fastify .*of another client',
  },
  {
    name: 'OAuth: a revocation answers 400 for an unknown token',
    changes: [
      change(
        `${AUTH}/http/oauth/oauth.controller.ts`,
        'await this.commands.execute(\n      new LogOutCommand(',
        'const ended = await this.commands.execute(\n      new LogOutCommand(',
      ),
      change(
        `${AUTH}/http/oauth/oauth.controller.ts`,
        '        clientOf(request),\n      ),\n    );\n',
        "        clientOf(request),\n      ),\n    );\n    if (ended === 0) throw oauthError('invalid_request', 'token', 'token must be known');\n",
      ),
    ],
    spec: 'test/http/oauth.spec.ts',
    only: 'on fastify a revocation',
  },
  {
    name: 'OAuth: an introspection asks for no credentials',
    changes: [change(`${AUTH}/http/oauth/oauth.controller.ts`, '  @UseGuards(ResourceServerGuard)\n', '')],
    spec: 'test/http/oauth.spec.ts',
    only: 'on fastify an introspection with',
  },
  {
    name: 'OAuth: the secret of a service is compared with nothing',
    changes: [
      change(
        `${AUTH}/application/resource-servers/resource-servers.ts`,
        'if (expected !== undefined && equal) return true;',
        'if (expected !== undefined) return true;',
      ),
    ],
    spec: 'test/http/oauth.spec.ts',
    only: 'on fastify an introspection with',
  },
  {
    name: 'OAuth: another grant than the refresh token passes',
    changes: [
      change(
        `${AUTH}/http/oauth/oauth.controller.ts`,
        "if (demanded(form, 'grant_type') !== 'refresh_token')",
        "if (demanded(form, 'grant_type') === '')",
      ),
    ],
    spec: 'test/http/oauth.spec.ts',
    only: 'on fastify .*(the password grant|a code)',
  },
  {
    name: 'OAuth: of a repeated parameter the last one counts',
    changes: [
      change(
        `${AUTH}/http/kit/form-body.ts`,
        "typeof value !== 'string' || form.has(name)",
        "typeof value !== 'string'",
      ),
    ],
    spec: 'test/http/unit/form-body.spec.ts',
  },
  {
    name: 'OAuth: a form is read by every route',
    changes: [
      change(
        `${AUTH}/http/kit/http-server.ts`,
        'takesForm(path) ? bytes : parseJsonBody(headers, bytes);',
        "String(headers['content-type']).includes('form') ? bytes : parseJsonBody(headers, bytes);",
      ),
    ],
    spec: 'test/http/oauth.spec.ts',
    only: 'a form is read there alone',
  },
  {
    name: 'OAuth: an introspection of a refresh token ends its session',
    changes: [
      change(
        `${AUTH}/http/oauth/oauth.controller.ts`,
        'await this.queries.execute(new ValidateRefreshTokenQuery(token));',
        'await this.commands.execute(new RefreshAccessTokenCommand(token)) as any;',
      ),
    ],
    spec: 'test/http/oauth.spec.ts',
    only: 'on fastify an introspection of a refresh token',
  },
  // Other services
  {
    name: 'an instance answers services while its reading is stale',
    changes: [change(POLLS, 'this.view.stalenessSeconds > MAX_AGE_SECONDS', 'this.view.stalenessSeconds === Infinity')],
    spec: 'test/services/feed.spec.ts',
    only: 'that cannot read answers 503',
  },
  {
    name: "services: the cursor takes another server's horizon for its own",
    changes: [
      change(RING, 'return this.newest?.server === server && first !== undefined', 'return first !== undefined'),
    ],
    spec: 'test/services/revocation-ring.spec.ts',
    only: 'covers no place of another server',
  },
  {
    name: 'services: the policy is missing in the comparison',
    changes: [
      change(
        POLLS,
        'return this.ring.news(after).length > 0 || this.view.currentPolicy().globalMinTokenVersion > after.policyVersion;',
        'return this.ring.news(after).length > 0;',
      ),
    ],
    spec: 'test/services/feed.spec.ts',
    only: 'a rotation of all ends the wait',
  },
  {
    name: 'services: news are counted from the horizon of the newest reading',
    changes: [
      change(RING, 'const all = this.from(horizon);', 'const all = this.from(this.newest?.horizon ?? horizon);'),
    ],
    spec: 'test/services/revocation-ring.spec.ts',
    only: 'continues from the place of the reader',
  },
  {
    name: 'services: each instance continues a snapshot although it has read less',
    changes: [
      change(
        RING,
        'this.newest?.server === server && this.newest.horizon >= horizon',
        'this.newest?.server === server',
      ),
    ],
    spec: 'test/services/revocation-polls.spec.ts',
    only: 'has read less',
  },
  {
    name: 'services: a shutdown leaves the polls waiting',
    changes: [change(POLLS, 'this.isClosing = true;\n    this.wake();', '')],
    spec: 'test/services/feed.spec.ts',
    only: 'that ends answers every poll',
  },
  {
    name: 'services: a cut feed stays "allowed"',
    changes: [
      change(
        `${SERVICE}/verifier.ts`,
        'maxStalenessSeconds: settings.maxStalenessSeconds',
        'maxStalenessSeconds: Infinity',
      ),
    ],
    spec: 'test/services/verifier.spec.ts',
    only: 'breaks off',
  },
  {
    name: 'services: staleness counts from the answer and not from the asking',
    changes: [
      change(
        VIEW,
        'return { reading, recent, begunAt, answeredAt };',
        'return { reading, recent, begunAt: moment(), answeredAt };',
      ),
    ],
    spec: 'test/services/verifier.spec.ts',
    only: 'ages from the asking',
  },
  {
    name: 'services: an unknown kid asks for the keys each time',
    changes: [
      change(`${SERVICE}/jwks-access-token.keys.ts`, 'performance.now() < this.tryAgainAt)', 'performance.now() < 0)'),
    ],
    spec: 'test/services/verifier.spec.ts',
    only: 'are looked for once',
  },
  {
    name: 'services: a withdrawn key still verifies what was seen',
    changes: [change(`${SERVICE}/verifier.ts`, 'this.authenticator.forget()', 'undefined')],
    spec: 'test/services/verifier.spec.ts',
    only: 'that are withdrawn',
  },
  {
    name: 'services: the clock of the last answer counts',
    changes: [change(`${SERVICE}/http-revocation.feed.ts`, 'Math.max(...this.offsets)', 'offset')],
    spec: 'test/services/verifier.spec.ts',
    only: 'turns no clock back',
  },
  {
    name: 'services: the feed of another issuer counts',
    changes: [change(`${SERVICE}/feed-answer.ts`, "demand(rest.issuer === issuer, 'issuer is another one');", '')],
    spec: 'test/services/verifier.spec.ts',
    only: 'is about another issuer',
  },
  {
    name: 'services: the keys may be fetched over plain http',
    changes: [
      change(
        'src/support/loopback.ts',
        "(protocol === 'http:' && LOOPBACK.includes(hostname))",
        "protocol === 'http:'",
      ),
    ],
    spec: 'test/services/verifier.spec.ts',
    only: 'The options of a service',
  },
  {
    name: 'services: a process that was frozen waits for the poll of before',
    changes: [
      change(
        VIEW,
        'if (!this.isFrozen) this.showLife(FROZEN_MS);\n      else void',
        'this.showLife(FROZEN_MS);\n      if (!this.isFrozen) return;\n      else void',
      ),
    ],
    spec: 'test/services/long-poll.spec.ts',
    only: 'frozen',
  },
  {
    name: 'the headers for a proxy hold an id as it is',
    changes: [
      change(`${AUTH}/http/verify.controller.ts`, 'text.toWellFormed().replace(NOT_PLAIN, encodeURIComponent)', 'text'),
    ],
    spec: 'test/services/verify.spec.ts',
    only: 'encodes what a header cannot hold',
  },

  // Bound sessions
  {
    name: 'a bound token refreshes without a proof',
    changes: [change(DECISION, 'session.binding !== null && !presented.isProven', 'session === null')],
    spec: 'test/domain/refresh-decision.spec.ts',
    only: 'that one is required',
  },
  {
    name: 'a bound token without a proof is judged by its generation first',
    changes: [
      change(DECISION, "  if (session.binding !== null && !presented.isProven) return refuse('proof_required');\n", ''),
      change(
        DECISION,
        '  const way = wayOf(behind, presented, facts, rules);\n',
        "  const way = wayOf(behind, presented, facts, rules);\n  if (session.binding !== null && !presented.isProven) return refuse('proof_required');\n",
      ),
    ],
    spec: 'test/domain/refresh-decision.spec.ts',
    only: 'that one is required',
  },
  {
    name: 'a proof of another key refreshes',
    changes: [change(PROOFS, 'thumbprintOf(proof.key) !== binding.jkt || ', '')],
    spec: 'test/http/bound.spec.ts',
    only: 'with a proof by another key',
  },
  {
    name: 'a route that refreshes passes no proof on',
    changes: [
      change(
        `${AUTH}/http/reauthentication.controller.ts`,
        'return dpopProofOf(request) ?? (delivery',
        'return (delivery',
      ),
      change(`${AUTH}/http/reauthentication.controller.ts`, 'ApiDpop, dpopProofOf', 'ApiDpop'),
    ],
    spec: 'test/http/bound.spec.ts',
    only: 'with a proof',
  },
  {
    name: 'a route of OAuth that refreshes passes no proof on',
    changes: [
      change(OAUTH, "retryKeyOf(request), 'body', dpopProofOf(request)", "retryKeyOf(request), 'body'"),
      change(OAUTH, 'ApiDpop, dpopProofOf', 'ApiDpop'),
    ],
    spec: 'test/http/bound.spec.ts',
    only: 'with a proof',
  },
  {
    name: 'the challenge for a nonce is sent after the refresh',
    changes: [
      change(
        PROOFS,
        '    if (!this.nonces.accepts(proof.nonce, this.clock.now())) throw this.challenge();\n    return proof;',
        '    return proof;',
      ),
      change(
        REFRESH,
        '    return (await written) ? this.granted(pair, record) : null;',
        '    if (!(await written)) return null;\n    if (token.generation === 0) throw new ProofProblem("a nonce");\n    return this.granted(pair, record);',
      ),
      change(
        REFRESH,
        "import { AuthMetrics } from '../../ports/auth-metrics';",
        "import { ProofProblem } from '../../../support/proof-problem';\nimport { AuthMetrics } from '../../ports/auth-metrics';",
      ),
    ],
    spec: 'test/http/bound.spec.ts',
    only: 'uses nothing up',
  },
  {
    name: 'a proof counts again',
    changes: [
      change(PROOFS, "if (!(await this.seen.isNew(hash('sha256', `${jkt} ${jti}`, 'base64url'))))", 'if (jti === jkt)'),
    ],
    spec: 'test/http/bound.spec.ts',
    only: 'a captured request',
  },
  {
    name: 'a proof for another URL counts',
    changes: [change(DPOP, ' && isOneOf(urls, proof.htu)', ' && isOneOf([...urls, proof.htu], proof.htu)')],
    spec: 'test/domain/dpop.spec.ts',
    only: 'for another path',
  },
  {
    name: 'a private key in a proof is accepted',
    changes: [change('src/guard/asymmetric-key.ts', "'d' in jwk", "'x5c' in jwk")],
    spec: 'test/domain/dpop.spec.ts',
    only: 'with a private key',
  },
  {
    name: 'the predecessor of a bound session is answered after its successor was used',
    changes: [
      change(
        DECISION,
        'return behind === 1 ? wayOfPredecessor(presented, facts, rules) : REUSE;',
        'return behind === 1 || facts.session.binding !== null ? wayOfPredecessor(presented, facts, rules) : REUSE;',
      ),
    ],
    spec: 'test/domain/refresh-decision.spec.ts',
    only: 'that of any other session, except',
  },
  {
    name: 'a password change opens a session without the key',
    changes: [
      change(`${AUTH}/application/sign-in/change-password.handler.ts`, 'binding: session.binding,', 'binding: null,'),
    ],
    spec: 'test/http/bound.spec.ts',
    only: 'hands its key on',
  },
  {
    name: 'a refusal for want of a proof counts against the session',
    changes: [
      change(
        `${AUTH}/application/refresh/refresh-limits.ts`,
        'if (token === null || isUnproven(decision)) {',
        'if (token === null) {',
      ),
    ],
    spec: 'test/http/limits.spec.ts',
    only: 'without their proof',
  },

  {
    name: 'a session that its versions end in an epoch is announced to nobody',
    changes: [
      change(`${AUTH}/infrastructure/postgres/typeorm-session.repository.ts`, ' || (await this.isRecovering()))', ')'),
    ],
    spec: 'test/ports/session.repository.spec.ts',
    only: 'in a recovery epoch',
  },
  {
    name: 'a sealed text of a MAC alone is a fault',
    changes: [change(`${AUTH}/domain/seal.ts`, 'bytes.length <= MAC_BYTES', 'bytes.length < MAC_BYTES')],
    spec: 'test/domain/seal.spec.ts',
  },
  {
    name: 'a nonce counts for its half minute alone',
    changes: [
      change(
        `${AUTH}/domain/dpop-nonces.ts`,
        '(opened[0] === epochOf(now) || opened[0] === epochOf(now) - 1)',
        'opened[0] === epochOf(now)',
      ),
    ],
    spec: 'test/domain/dpop.spec.ts',
    only: 'counts for its half minute',
  },
  {
    name: 'each instance remembers the proofs for itself, with Redis, too',
    changes: [change(`${AUTH}/infrastructure/proofs/remembered-proofs.ts`, 'return answer !== null;', 'return true;')],
    spec: 'test/redis/remembered-proofs.spec.ts',
    only: 'new once for all',
  },
  {
    name: 'the token endpoint asks for a nonce as a resource does',
    changes: [
      change(
        `${AUTH}/http/oauth/oauth-error.filter.ts`,
        'isChallenge ? challengeOf(exception.nonce) : exception',
        'isChallenge ? exception : exception',
      ),
    ],
    spec: 'test/http/bound.spec.ts',
    only: 'a nonce whatever the token is',
  },
  {
    name: 'a bound access token is verified without its key',
    changes: [change('src/guard/access-token.ts', '    ...(cnf === undefined ? {} : { jkt: cnf.jkt }),\n', '')],
    spec: 'test/services/verifier.spec.ts',
    only: 'a bound token with a proof',
  },
  {
    name: 'a bound access token counts as a bearer token once it is known',
    changes: [
      change(
        AUTHENTICATOR,
        'if (jkt === null || given === undefined) return jkt === null && given === undefined;',
        'if (jkt === null || given === undefined) return this.used.size > 0 || (jkt === null && given === undefined);',
      ),
    ],
    spec: 'test/http/bound-access.spec.ts',
    only: 'as a bearer token each time',
  },
  {
    name: 'a proof is for any access token',
    changes: [change(AUTHENTICATOR, 'proof === null || proof.ath !== accessTokenHashOf(token)', 'proof === null')],
    spec: 'test/http/bound-access.spec.ts',
    only: 'another token',
  },
  {
    name: 'a proof of an access token counts again',
    changes: [change(AUTHENTICATOR, '    if (this.used.has(id)) return false;\n', '')],
    spec: 'test/http/bound-access.spec.ts',
    only: 'once with each proof',
  },

  // Sessions that the browser binds
  {
    name: 'a second key for one login is only refused',
    changes: [
      change(REGISTER, "  decision.reason === 'proof_required' &&\n", "  decision.reason === 'token_expired' &&\n"),
    ],
    spec: 'test/http/dbsc.spec.ts',
    only: 'of a second key ends the session',
  },
  {
    name: 'a refresh token alone binds its session',
    changes: [
      change(DBSC, 'authorization !== undefined &&\n      ', ''),
      change(DBSC, ' &&\n      isRecent(this.authorizations.open(authorization), sessionId, INVITED_SECONDS, now)', ''),
    ],
    spec: 'test/http/dbsc.spec.ts',
    only: 'for a challenge alone',
  },
  {
    name: 'a key is registered without its signature',
    changes: [change(DBSC, 'key === null || !isSignedBy(key, jws) ? null', 'key === null ? null')],
    spec: 'test/http/dbsc.spec.ts',
    only: 'that another key has signed',
  },
  {
    name: 'a session is bound at any generation',
    changes: [change(REGISTER, 'generation > LAST_GENERATION', 'generation > 1000')],
    spec: 'test/http/dbsc.spec.ts',
    only: 'is too late',
  },
  {
    name: 'a bound session is bound again',
    changes: [change(SESSIONS, 'live.binding === null && live.generation', 'live.generation')],
    spec: 'test/ports/session.repository.spec.ts',
    only: 'binds a live session to a key, once',
  },
  {
    name: 'a browser signs its own challenge',
    changes: [
      change(DBSC, 'opened?.[0] === id && secondsOf', 'secondsOf'),
      change(DBSC, '- opened[1] <=', '- (opened?.[1] ?? 0) <='),
    ],
    spec: 'test/domain/dbsc.spec.ts',
    only: 'is fresh for its session',
  },
  {
    name: 'a proof by the key that it names refreshes',
    changes: [
      change(
        DBSC,
        'const key = proofKeyOf(jwk);\n  return key',
        'const key = jws.header.jwk === undefined ? proofKeyOf(jwk) : proofKeyOf(jws.header.jwk);\n  return key',
      ),
    ],
    spec: 'test/http/dbsc.spec.ts',
    only: 'by a key of its own choice',
  },
  {
    name: 'the challenge of a browser is a refusal',
    changes: [change(DBSC_ROUTES, 'if (isGenuine && (proof', 'if (!isGenuine && (proof')],
    spec: 'test/http/dbsc.spec.ts',
    only: 'is answered with a challenge without a proof',
  },
  {
    name: 'a session that has lost its binding ends in the browser',
    changes: [change(DBSC_ROUTES, "valid.value.binding?.kind === 'dbsc' && valid.value.binding.id === id", 'valid.ok')],
    spec: 'test/http/dbsc.spec.ts',
    only: 'to forget what the row does not know',
  },
  {
    name: 'a browser is answered 429, and deletes its key',
    changes: [
      change(
        DBSC_ROUTES,
        "      if (error instanceof Throttled) throw new Overloaded('Too many requests', error.retryAfterSeconds);\n",
        '',
      ),
      change(DBSC_ROUTES, "import { Throttled } from '../../../support/throttled';\n", ''),
    ],
    spec: 'test/http/dbsc.spec.ts',
    only: 'for what is temporary',
  },
  {
    name: 'the guard takes the bound cookie from any page',
    changes: [change(HTTP_REQUEST, '  if (!isSafe(request)) demandOwnPage(request, origins);\n', '')],
    spec: 'test/http/dbsc.spec.ts',
    only: 'does nothing but read',
  },
  {
    name: 'a proxy that asks by GET lets a foreign page change something',
    changes: [change(`${AUTH}/http/verify.controller.ts`, '    this.demandOrigin(request);\n', '')],
    spec: 'test/http/dbsc.spec.ts',
    only: 'by the method that the proxy names',
  },
  {
    name: 'the bound cookie of another session proves a step-up',
    changes: [
      change(
        `${AUTH}/application/key-proofs.ts`,
        'principal?.sessionId === id &&',
        'principal?.sessionId !== undefined &&',
      ),
    ],
    spec: 'test/http/dbsc.spec.ts',
    only: 'only its own',
  },
  {
    name: 'the bound cookie makes an old token evidence of theft',
    changes: [
      change(
        `${AUTH}/application/refresh/refresh-judge.ts`,
        'proof?.isByCookie === true &&',
        'proof?.isByCookie === undefined &&',
      ),
    ],
    spec: 'test/http/dbsc.spec.ts',
    only: 'only its own',
  },
  {
    name: 'a registration that a refresh has overtaken is a theft',
    changes: [
      change(
        REGISTER,
        'facts.session.generation - token.generation === 1',
        'facts.session.generation === token.generation',
      ),
    ],
    spec: 'test/http/dbsc.spec.ts',
    only: 'with the predecessor, however late',
  },
  {
    name: 'a socket is opened by the bound cookie from any page',
    changes: [change(HTTP_REQUEST, " &&\n  headers['sec-websocket-key'] === undefined", '')],
    spec: 'test/http/dbsc.spec.ts',
    only: 'by the method that the proxy names',
  },
  {
    name: "the bound cookie of an earlier session stays after a host's own sign-in",
    changes: [
      change(`${AUTH}/http/token-delivery.ts`, '    if (pair.generation === 0) this.bound.forget(response);\n', ''),
    ],
    spec: 'test/http/dbsc.spec.ts',
    only: 'of an earlier session is gone',
  },
  {
    name: 'the bound cookie of an earlier session stays after a login',
    changes: [
      change(
        `${AUTH}/http/auth.controller.ts`,
        '    this.bound.clear(request, response);\n    if (delivery',
        '    if (delivery',
      ),
    ],
    spec: 'test/http/dbsc.spec.ts',
    only: 'of an earlier session is gone',
  },
  {
    name: 'a refusal signs a page out whose session the browser holds',
    changes: [change(CLIENT, 'if (!(refused && (await isHeldByBrowser()))) await put(null);', 'await put(null);')],
    spec: 'test/client/held.spec.ts',
    only: 'is not over',
  },
  {
    name: 'a confirmation that nobody knows is no reason to refuse a token',
    changes: [
      change(
        'src/guard/access-token.ts',
        '  if (cnf !== undefined && !isConfirmation(cnf)) return null;\n',
        '  if (cnf !== undefined && !isConfirmation(cnf)) return claimsOf({ ...payload, cnf: undefined });\n',
      ),
    ],
    spec: 'test/http/access-token-tampering.spec.ts',
    only: 'confirmation',
  },

  // The client
  {
    name: 'the client draws another key for each attempt',
    changes: [change(CLIENT, '{ key: randomKey(), ...found }', '{ ...found, key: randomKey() }')],
    spec: 'test/client/session.spec.ts',
    only: 'survives an answer that is lost anywhere',
  },
  {
    name: 'the client sends a refresh before its key is stored',
    changes: [
      change(CLIENT, 'if (!found.key) await put(held);', 'if (!found.key) void put(held).catch(() => undefined);'),
    ],
    spec: 'test/client/session.spec.ts',
    only: 'before the key is stored sends nothing',
  },
  {
    name: 'the client stores an answer that a log-out or a login has overtaken',
    changes: [change(CLIENT, 'if (now?.accessToken !== found.accessToken) return', 'if (now === found) return')],
    spec: 'test/client/session.spec.ts',
    only: 'by the late answer',
  },
  {
    name: 'the client retries earlier than Retry-After',
    changes: [change(CLIENT, 'Math.max(least, error.retryAfter * 1000)', 'least')],
    spec: 'test/client/session.spec.ts',
    only: 'for as long as Retry-After says',
  },
  {
    name: 'the client shows a reading that a write has overtaken',
    changes: [change(CLIENT, 'if (asOf === writes) see(held);', 'see(held);')],
    spec: 'test/client/session.spec.ts',
    only: 'a reading that a write has overtaken',
  },
  {
    name: 'the client takes a request to wait for the end of the session',
    changes: [change(CLIENT_ANSWER, "body.recovery === 'reauthenticate'", 'body.recovery !== undefined')],
    spec: 'test/client/session.spec.ts',
    only: 'learns when to try again',
  },
  {
    name: 'the client takes a request for a nonce for its answer',
    changes: [
      change(
        'src/client/proofs.mts',
        'nonce === null || nonces.get(origin) === nonce',
        'nonce === null || nonce !== ""',
      ),
    ],
    spec: 'test/client/bound.spec.ts',
    only: 'learns the nonce by itself',
  },
  {
    name: 'the contexts of a client refresh without their lock',
    changes: [change(CLIENT, 'lock(() => persist()', '(async (work) => work())(() => persist()')],
    spec: 'test/client/session.spec.ts',
    only: 'which share a store and a lock',
  },
  // Screens
  {
    name: "a device of another user's session is renamed",
    changes: [
      change(
        `${AUTH}/application/sessions/rename-session.handler.ts`,
        'if (session.userId !== of && session.userId !== (await this.users.spellingOf(of))) return false;',
        '',
      ),
    ],
    spec: 'test/http/administration-reads.spec.ts',
    only: 'fastify the name of a device of a foreign',
  },
  {
    name: 'a session that is over is renamed',
    changes: [
      change(
        SESSIONS,
        'if (live === null || !mayChange(live)) return false;',
        'if (live !== null && !mayChange(live)) return false;',
      ),
    ],
    spec: 'test/ports/session.repository.spec.ts',
    only: 'PostgreSQL .*changes nothing of a session that is over',
  },
  {
    name: 'an export of the trail ends after its first page',
    changes: [
      change('src/audit/audit-events.controller.ts', 'while (next !== null) {', 'while (next === undefined) {'),
    ],
    spec: 'test/http/administration-reads.spec.ts',
    only: 'fastify an export has every event',
  },
  {
    name: 'a spreadsheet runs what a user agent says',
    changes: [change('src/audit/exported.ts', '/^[=+\\-@\\t\\r]/.test(text)', 'false')],
    spec: 'test/http/administration-reads.spec.ts',
    only: 'fastify an export as CSV',
  },

  // Operations
  {
    name: 'answers during the delay of a shutdown keep their connection',
    changes: [change('src/operations/drain.ts', "setHeader('Connection', 'close')", "setHeader('X-Drain', 'true')")],
    spec: 'test/operations/drain.spec.ts',
    only: 'on fastify',
  },
  {
    name: 'readiness stays 200 during the delay of a shutdown',
    changes: [
      change('src/operations/health.controller.ts', 'drain.hasBegun ?', 'drain.hasBegun && redis === undefined ?'),
    ],
    spec: 'test/operations/drain.spec.ts',
    only: 'on fastify',
  },
  {
    name: 'a migration waits for a lock without a limit',
    changes: [change('src/postgres/migrate.ts', '`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`', "'SELECT 1'")],
    spec: 'test/database/migrate-under-load.spec.ts',
  },
  {
    name: "a statement of the pool's own that is given up continues on the server",
    changes: [
      change(
        'src/postgres/data-source.ts',
        'if (error) this.closeAfter(error);',
        'if (error === null) this.closeAfter(error);',
      ),
    ],
    spec: 'test/database/data-source.spec.ts',
    only: 'is cancelled there',
  },
  {
    name: 'a statement that is given up continues on the server',
    changes: [
      change(
        'src/postgres/data-source.ts',
        "if (message === 'Query read timeout') this.cancelOnServer();",
        "if (message === 'Query read timeout');",
      ),
    ],
    spec: 'test/database/data-source.spec.ts',
    only: 'is cancelled there',
  },
  {
    name: 'a readonly Redis is kept',
    changes: [change(REDIS, 'if (/\\bREADONLY\\b/.test(String(error)))', "if (String(error) === '')")],
    spec: 'test/redis/rate-limits.spec.ts',
    only: 'while it is a replica',
  },
  {
    name: 'a replica of Redis is taken for a master',
    changes: [change(REDIS, "if (name !== 'master')", "if (name === '')")],
    spec: 'test/operations/health.spec.ts',
    only: 'is degraded while that is a replica',
  },
  {
    name: 'the sentinels are asked once',
    changes: [
      change(
        REDIS,
        'const client = clientFor(await masterOf(settings));',
        'const client = clientFor(await (cache ??= masterOf(settings)));',
      ),
      change(REDIS, 'function end(client', 'let cache: Promise<string> | undefined;\n\nfunction end(client'),
    ],
    spec: 'test/redis/sentinel.long.ts',
    only: 'after a failover so does',
  },
  {
    name: 'a fallback of the limits is not counted',
    changes: [change(FLEXIBLE_LIMITS, 'this.metrics.limiterFellBack();', '')],
    spec: 'test/redis/sentinel.long.ts',
    only: 'after a failover so does',
  },
  {
    name: 'a site of IPv6 has no limit',
    changes: [change(FLEXIBLE_LIMITS, '(await this.count(this.wider, name, siteOf(key)))', 'null')],
    spec: 'test/redis/rate-limits.spec.ts',
    only: 'the limits by network',
  },
  {
    name: 'the limit that slows down does not',
    changes: [change(FLEXIBLE_LIMITS, 'await this.pause();', '')],
    spec: 'test/redis/rate-limits.spec.ts',
    only: 'a limit that slows down',
  },
  {
    name: 'a sign-in is counted although the queue is full',
    changes: [change(`${AUTH}/application/password-check.ts`, '    this.hasher.demandRoom?.();\n', '')],
    spec: 'test/application/password-check.spec.ts',
  },
];
