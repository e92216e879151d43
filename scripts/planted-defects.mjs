/* eslint-disable no-template-curly-in-string -- the sources that are searched have templates */

// Mistakes that a change could make, and the tests that must see them. `npm run test:mutants` plants each in a copy of the
// sources. A search string that is not there exactly once is a stale entry, and fails the run.

const AUTH = 'src/auth';
const DECISION = `${AUTH}/domain/refresh-decision.ts`;
const VERSIONS = `src/guard/versions.ts`;
const ENVELOPE = `${AUTH}/domain/refresh-token.ts`;
const REFRESH = `${AUTH}/application/refresh/refresh-access-token.handler.ts`;
const VIEW = `src/guard/revocation.view.ts`;
const SESSIONS = `${AUTH}/infrastructure/postgres/typeorm-session.repository.ts`;
const STATEMENTS = `${AUTH}/infrastructure/postgres/refresh-statements.ts`;
const JWT = `${AUTH}/infrastructure/jwt/jwt-access-token.signer.ts`;

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
        'this.keys.storedSuccessor(token, session), session, facts)',
        'this.keys.storedSuccessor(token, session), { ...stampsAfterRotation(session, { ...facts.floors, mode: "migrate" }), expiresAt: session.expiresAt }, facts)',
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
        `${AUTH}/application/sign-in/log-in.handler.ts`,
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
        '  const way = behind',
        "  if (now >= session.expiresAt) return refuse('token_expired');\n  const way = behind",
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
        "if (behind < 0) return refuse('token_invalid', { forgery: 'generation_ahead' });",
        "if (behind < 0) return refuse('token_invalid', { forgery: 'generation_ahead', revoke: 'reuse_detected' });",
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
        '${s.generation} = $2 AND ${s.tokenHash} = $3 AND',
        '$2::integer >= 0 AND $3::bytea IS NOT NULL AND',
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
        'WHERE ${stillLive} AND ${s.keyed} = $4 AND ($5::integer = 0 OR',
        'WHERE ${s.id} = $1 AND $2::integer >= 0 AND $3::bytea IS NOT NULL AND $4::boolean IS NOT NULL AND ($5::integer >= 0 OR',
      ),
    ],
    spec: 'test/ports/session.repository.spec.ts',
    only: 'PostgreSQL confirmReplay',
  },
  {
    name: 'a keyed session forgets that it is one',
    changes: [
      change(STATEMENTS, '${s.keyed} = ${s.keyed} OR $7::bytea IS NOT NULL,', '${s.keyed} = $7::bytea IS NOT NULL,'),
    ],
    spec: 'test/ports/session.repository.spec.ts',
    only: 'PostgreSQL rotate',
  },
  {
    name: 'a rotation moves the idle limit past the absolute one',
    changes: [change(STATEMENTS, 'LEAST($10::timestamptz, ${s.absoluteExpiresAt})', '$10::timestamptz')],
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
        'const pair = this.pairs.issue(decision.user, successor, next, facts);',
        'const sign = () => this.pairs.issue(decision.user, successor, next, facts);',
      ),
      change(
        REFRESH,
        '(await this.sessions.rotate(session, next, record)) ? this.granted(pair, record) : null',
        '(await this.sessions.rotate(session, next, record)) ? this.granted(sign(), record) : null',
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
        'await events.record(failed(reason)).catch(() => undefined);',
        'void reason;',
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

  // The guard, and how it learns
  {
    name: 'the guard never looks at the policy row again',
    changes: [
      change(
        VIEW,
        'if (policy !== undefined && (this.policy === null || isNewer(policy, this.policy))) this.policy = policy;',
        'if (policy !== undefined) this.policy ??= policy;',
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
    name: 'the guard honours a revoked session',
    changes: [change(`src/guard/access-token.authenticator.ts`, ' || this.view.isRevoked(claims.sid)', '')],
    spec: 'test/http/administration.spec.ts',
    only: 'The administration with the end of one session',
  },
  {
    name: 'the algorithm is not pinned',
    changes: [
      change(JWT, ' || header.alg !== ALGORITHM', ''),
      change(JWT, 'algorithms: [ALGORITHM]', "algorithms: ['HS256', 'HS384', 'HS512']"),
    ],
    spec: 'test/infrastructure/jwt-access-token.signer.spec.ts',
  },
  {
    name: 'typ is not checked',
    changes: [change(JWT, ' || header.typ !== TYP', '')],
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
    name: 'whoever comes while Redis fails has no limit',
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
        "{ record: [], n: await this.sessions.revokeAllOfUser(userId, 'user_deactivated') }",
      ),
    ],
    spec: 'test/http/administration.spec.ts',
    only: 'The administration of users deactivates',
  },
  {
    name: 'a log-out ends one token, not the session',
    changes: [
      change(
        `${AUTH}/application/sessions/log-out.handler.ts`,
        '() => this.logOut(sessionId, attempt),',
        "() => this.logOut(sessionId, attempt, 'refreshToken' in token ? this.keys.open(token.refreshToken)?.generation : undefined),",
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
        'if (!result.ok) throw this.problemOf(result.reason);',
        'if (!result.ok) {\n      this.cookie.clear(request, response);\n      throw this.problemOf(result.reason);\n    }',
      ),
    ],
    spec: 'test/http/cookies.spec.ts',
    only: 'stays where it is at a refusal',
  },
  {
    name: 'the cookie works from any origin',
    changes: [
      change(
        `${AUTH}/http/auth.controller.ts`,
        "    if (delivery === 'cookie') this.cookie.demandOrigin(request);\n    const result = await this.commands.execute(\n      new Refresh",
        '    const result = await this.commands.execute(\n      new Refresh',
      ),
    ],
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
    changes: [
      change(
        `${AUTH}/http/auth.controller.ts`,
        "this.options.exposeRefusalReason ? refusal.reason : 'refresh_refused'",
        'refusal.reason',
      ),
    ],
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
        '[...explicit, { refreshToken: cookie }] : explicit)',
        '[...explicit, { refreshToken: cookie }].slice(0, 1) : explicit.slice(0, 1))',
      ),
    ],
    spec: 'test/http/cookies.spec.ts',
    only: 'beside other credentials',
  },
  {
    name: 'a cookie beside the body is what is refreshed',
    changes: [
      change(
        `${AUTH}/http/auth.controller.ts`,
        'const token = body.refreshToken ?? this.cookie.read(request);',
        'const token = this.cookie.read(request) ?? body.refreshToken;',
      ),
    ],
    spec: 'test/http/cookies.spec.ts',
    only: 'beside other credentials',
  },
  {
    name: 'the first cookie of the name counts, also one that another host has set',
    changes: [
      change(
        `${AUTH}/http/refresh-cookie.ts`,
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
        `${AUTH}/http/refresh-cookie.ts`,
        "site === 'same-origin' && (origin === undefined || this.ownIsUnknown)",
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
    name: 'a connection to a server that cannot write goes back to the pool',
    changes: [change('src/database/data-source.ts', ' || SPENT.test(code)', '')],
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
        `${AUTH}/application/sign-in/change-password.handler.ts`,
        'this.users.findByIdWithPassword?.(userId) ?? ',
        '',
      ),
    ],
    spec: 'test/application/users-elsewhere.spec.ts',
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
      change('src/database/migrate.ts', 'SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}', 'SET LOCAL lock_timeout = 0'),
    ],
    spec: 'test/database/migrate.spec.ts',
    only: 'a long reader',
  },
  {
    name: 'a login counts the hash of its first look-up',
    changes: [
      change(
        `${AUTH}/application/sign-in/log-in.handler.ts`,
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
        'cookie !== undefined && !explicit.some((token) => this.isGenuine(token))',
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
    changes: [
      change(
        `${AUTH}/infrastructure/postgres/typeorm-unit-of-work.ts`,
        'text === START ? START_AS_NEEDED : text',
        'text',
      ),
    ],
    spec: 'test/infrastructure/typeorm-unit-of-work.spec.ts',
    only: 'reads committed rows',
  },
  {
    name: 'a replica or a cache answers',
    changes: [
      change(
        `${AUTH}/infrastructure/postgres/typeorm-unit-of-work.ts`,
        'this.outside = new EntityManager(this.dataSource);',
        'this.outside = dataSource.manager;',
      ),
    ],
    spec: 'test/infrastructure/typeorm-unit-of-work.spec.ts',
    only: 'asks the primary',
  },
  {
    name: 'a table is found by the search path',
    changes: [
      change(
        `${AUTH}/infrastructure/postgres/postgres-revocation.feed.ts`,
        'FROM ${this.names.policy} p WHERE',
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
];
