import type { Dropped } from '../../ports/auth-event.log';
import { microsecondsOf } from './microseconds';
import { type Names, TABLES } from './names';
import { gapsBetween, isoOf, type Range } from './partition-plan';
import { failedWith } from './sql-state';
import type { TypeOrmUnitOfWork } from './typeorm-unit-of-work';

/** Rows in DEFAULT, of one range; more of them are left to people. */
const MAX_MOVED = 10_000;
/** Small enough that nobody waits for a batch. */
const BATCH = 1000;

const LOCK_TIMEOUT = '200ms';
/**
 * For everything behind which answers queue. `lock_timeout` limits each wait, but several waits and the work in between
 * add up, so the statement as a whole is limited: with its commit it stays below 200 ms.
 */
const STATEMENT_TIMEOUT = '150ms';
/** SQLSTATEs of a statement that ran into one of the two. */
const TOOK_TOO_LONG = ['55P03', '57014'] as const;

/** The comment on a table that retention has detached. No other may be dropped: people detach partitions to keep them. */
const MARK = 'ratchet: past its retention and detached, to be dropped';

interface Table {
  readonly oid: string;
  /** With its schema, quoted. */
  readonly table: string;
}

/** What the catalogue says about the event log. */
export interface PartitionedLog {
  /** On the database's clock, which decides alone: an instance whose clock is wrong must not drop anything. */
  readonly now: number;
  readonly partitions: readonly (Table & Range)[];
  /** The table of the DEFAULT partition, with its schema, quoted. */
  readonly defaultTable: string | null;
  /** Whether this role may create partitions. */
  readonly mayCreate: boolean;
  /** Tables that are no partitions, but have the name of one, or were one: `ours` are those that retention has detached. */
  readonly unattached: readonly (Table & { readonly ours: boolean })[];
}

/**
 * The partitions of the event log. Statements that others wait for are sent as one message, which is one transaction: between
 * two messages a process may stand still, and all answers with it.
 * @internal
 */
export class EventPartitions {
  constructor(
    private readonly unitOfWork: TypeOrmUnitOfWork,
    private readonly names: Names,
  ) {}

  async read(): Promise<PartitionedLog> {
    const { schema, events } = this.names;
    return this.unitOfWork.run(async () => {
      const { ownManager: manager } = this.unitOfWork;
      // Which decide how a bound is printed, and read again.
      await manager.query(`SET LOCAL DateStyle = 'ISO, MDY'`);
      await manager.query(`SET LOCAL TimeZone = 'UTC'`);
      const [log] = await manager.query<Pick<PartitionedLog, 'now' | 'defaultTable' | 'mayCreate'>[]>(
        `SELECT ${microsecondsOf('now()')} AS now,
                (SELECT ${QUOTED} FROM pg_class child WHERE oid = partdefid) AS "defaultTable",
                has_schema_privilege(relnamespace, 'CREATE') AND pg_has_role(relowner, 'USAGE') AS "mayCreate"
           FROM pg_partitioned_table JOIN pg_class ON oid = partrelid WHERE oid = '${events}'::regclass`,
      );
      if (log === undefined) throw new Error(`${events} is not partitioned`);
      const partitions = await manager.query<PartitionedLog['partitions']>(
        `SELECT oid, "table",
                ${microsecondsOf(`(CASE bounds[1] WHEN 'MINVALUE' THEN '-infinity' ELSE trim('''' FROM bounds[1]) END)::timestamptz`)} AS "from",
                ${microsecondsOf(`(CASE bounds[2] WHEN 'MAXVALUE' THEN 'infinity' ELSE trim('''' FROM bounds[2]) END)::timestamptz`)} AS "to"
           FROM (SELECT oid, ${QUOTED} AS "table",
                        regexp_match(pg_get_expr(relpartbound, oid), '^FOR VALUES FROM \\((.*)\\) TO \\((.*)\\)$') AS bounds
                   FROM pg_inherits JOIN pg_class child ON oid = inhrelid WHERE inhparent = '${events}'::regclass) AS child
          WHERE bounds IS NOT NULL ORDER BY 3`,
      );
      const unattached = await manager.query<PartitionedLog['unattached']>(
        `SELECT oid, ${QUOTED} AS "table", ${IS_MARKED} AS ours FROM pg_class child
          WHERE relnamespace = '"${schema}"'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
            AND (${IS_MARKED} OR relname ~ '^${TABLES.events}_\\d{4}_\\d{2}_\\d{2}(_\\d+)?$') ORDER BY 2`,
      );
      return { ...log, partitions, unattached };
    });
  }

  /** The number of rows in DEFAULT, in a range or in all, counted up to a limit. */
  async countDefault({ defaultTable }: PartitionedLog, limit: number | 'ALL', range?: Range): Promise<number> {
    if (defaultTable === null) return 0;
    const [row] = await this.unitOfWork.ownManager.query<{ count: number }[]>(
      `SELECT count(*)::integer AS count
         FROM (SELECT FROM ${defaultTable} ${range === undefined ? '' : `WHERE ${within(range)}`} LIMIT ${limit}) AS rows`,
    );
    return row?.count ?? 0;
  }

  /** The gaps between the partitions of which DEFAULT has more rows than would be moved. */
  async crowdedGaps(log: PartitionedLog): Promise<Range[]> {
    const crowded: Range[] = [];
    for (const gap of gapsBetween(log.partitions)) {
      if ((await this.countDefault(log, MAX_MOVED + 1, gap)) > MAX_MOVED) crowded.push(gap);
    }
    return crowded;
  }

  /**
   * Creates a partition with its rows from DEFAULT. Returns false if these are too many.
   *
   * `CREATE TABLE … PARTITION OF` locks the log as a whole, and so waits for every reader and writer; ATTACH locks DEFAULT
   * alone. That is not enough where events of the range go to DEFAULT at this moment: an INSERT that has chosen DEFAULT and
   * waits for it fails afterwards, and a query that has chosen its partitions misses the rows that were moved. There the log
   * is locked, but only for the last rows: the others have moved before.
   */
  async create(range: Range, log: PartitionedLog): Promise<boolean> {
    const { events, inSchema } = this.names;
    const rows = await this.countDefault(log, MAX_MOVED + 1, range);
    if (rows > MAX_MOVED) return false;
    const table = inSchema(await this.freeName(range));
    const inUse = rows > 0 || range.from <= log.now;
    const move = inUse
      ? `WITH moved AS (DELETE FROM ${events} WHERE ${within(range)} RETURNING *) INSERT INTO ${table} SELECT * FROM moved;`
      : '';
    await this.unitOfWork.ownManager.query(
      `${this.inTurn}
       CREATE TABLE ${table} (LIKE ${events} INCLUDING ALL);
       ${move}
       SET LOCAL statement_timeout = '${STATEMENT_TIMEOUT}';
       DO $$ BEGIN
         ${inUse ? `LOCK TABLE ONLY ${events} IN ACCESS EXCLUSIVE MODE;` : ''}
         ${move}
         ALTER TABLE ${events} ATTACH PARTITION ${table} FOR VALUES FROM ('${isoOf(range.from)}') TO ('${isoOf(range.to)}');
       END $$`,
    );
    return true;
  }

  /** Drops what is past retention: whole partitions, and rows of DEFAULT. */
  async dropOlderThan(retentionSeconds: number, dryRun: boolean, stop?: AbortSignal): Promise<Dropped> {
    const log = await this.read();
    const old = { from: -Infinity, to: log.now - retentionSeconds * 1_000_000 };
    const past = log.partitions.filter(({ to }) => to <= old.to);
    const detached = ({ unattached }: PartitionedLog) => unattached.filter(({ ours }) => ours);
    if (dryRun) {
      return { partitions: past.length + detached(log).length, rows: await this.countDefault(log, 'ALL', old) };
    }
    const rows = await this.deleteFromDefault(log, old, stop);
    for (const partition of past) if (!stop?.aborted) await this.detach(partition);
    let partitions = 0;
    // Read again, not remembered: a process that was killed in between has left some, too.
    for (const table of detached(await this.read())) {
      if (!stop?.aborted && (await this.drop(table, old))) partitions++;
    }
    return { partitions, rows };
  }

  private async deleteFromDefault({ defaultTable }: PartitionedLog, old: Range, stop?: AbortSignal): Promise<number> {
    if (defaultTable === null) return 0;
    let total = 0;
    while (!stop?.aborted) {
      const deleted = await this.unitOfWork.run(async () => {
        const [row] = await this.unitOfWork.ownManager.query<{ count: number }[]>(
          `WITH deleted AS (
             DELETE FROM ${defaultTable} WHERE ctid = ANY (ARRAY(
               SELECT ctid FROM ${defaultTable} WHERE ${within(old)} ORDER BY occurred_at LIMIT ${BATCH} FOR UPDATE SKIP LOCKED
             )) RETURNING 1)
           SELECT count(*)::integer AS count FROM deleted`,
        );
        return row?.count ?? 0;
      });
      total += deleted;
      if (deleted < BATCH) break;
    }
    return total;
  }

  /**
   * Leaves it where it is when others are at the log all the time. DETACH … CONCURRENTLY would not wait for them, but
   * PostgreSQL refuses it where there is a DEFAULT partition.
   */
  private async detach({ oid, table }: Table): Promise<void> {
    const { events } = this.names;
    await unlessItTakesTooLong(() =>
      this.unitOfWork.ownManager.query(
        `${this.inTurn}
         SET LOCAL statement_timeout = '${STATEMENT_TIMEOUT}';
         DO $$ BEGIN
           IF EXISTS (SELECT FROM pg_inherits WHERE inhparent = '${events}'::regclass AND inhrelid = ${oid}) THEN
             ALTER TABLE ${events} DETACH PARTITION ${table};
             COMMENT ON TABLE ${table} IS '${MARK}';
           END IF;
         END $$`,
      ),
    );
  }

  /** In a transaction of its own: the files of a large table take their time. False when another instance has dropped it. */
  private async drop({ oid, table }: Table, old: Range): Promise<boolean> {
    const dropped = await unlessItTakesTooLong(() =>
      this.unitOfWork.run(async () => {
        const { ownManager: manager } = this.unitOfWork;
        await manager.query(this.lock);
        await manager.query(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`);
        const isThere = await manager.query<unknown[]>(
          `SELECT FROM pg_class child WHERE oid = ${oid} AND NOT relispartition AND ${IS_MARKED}`,
        );
        if (isThere.length === 0) return false;
        // The retention may have been raised since it was detached.
        const young = await manager.query<unknown[]>(
          `SELECT FROM ${table} WHERE occurred_at >= '${literalOf(old.to)}' LIMIT 1`,
        );
        if (young.length > 0) return false;
        await manager.query(`DROP TABLE ${table}`);
        return true;
      }),
    );
    return dropped === true;
  }

  /** Instances create, detach and drop one after the other. */
  private get lock(): string {
    return `SELECT pg_advisory_xact_lock(hashtextextended('${this.names.lock('auth_events partitions')}', 0))`;
  }

  /** The beginning of a message of several statements. The role may have other defaults for transactions. */
  private get inTurn(): string {
    return `SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE; ${this.lock}; SET LOCAL lock_timeout = '${LOCK_TIMEOUT}';`;
  }

  /** The first day, for people to read. Another table may have that name, such as a partition that was detached by hand. */
  private async freeName({ from }: Range): Promise<string> {
    const name = `${TABLES.events}_${isoOf(from).slice(0, 10).replaceAll('-', '_')}`;
    const taken = await this.unitOfWork.ownManager.query<{ name: string }[]>(
      `SELECT relname AS name FROM pg_class
        WHERE relnamespace = '"${this.names.schema}"'::regnamespace AND starts_with(relname::text, '${name}')`,
    );
    const isFree = (candidate: string) => !taken.some((one) => one.name === candidate);
    let free = name;
    for (let nth = 2; !isFree(free); nth++) free = `${name}_${nth}`;
    return free;
  }
}

/* Of a row of pg_class that is called `child`. */
const QUOTED = `(SELECT format('%I.%I', nspname, child.relname) FROM pg_namespace WHERE oid = child.relnamespace)`;
const IS_MARKED = `COALESCE(obj_description(child.oid, 'pg_class') = '${MARK}', false)`;

const literalOf = (instant: number): string =>
  Number.isFinite(instant) ? isoOf(instant) : instant > 0 ? 'infinity' : '-infinity';
const within = ({ from, to }: Range): string =>
  `occurred_at >= '${literalOf(from)}' AND occurred_at < '${literalOf(to)}'`;

async function unlessItTakesTooLong<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (failedWith(error, ...TOOK_TOO_LONG)) return undefined;
    throw error;
  }
}
