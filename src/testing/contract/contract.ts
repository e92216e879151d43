import type {
  AuthEventLog,
  RevocationFeed,
  SecurityPolicy,
  SecurityPolicyRepository,
  Session,
  SessionRepository,
  UnitOfWork,
  UserWithPassword,
} from '../../index';

/** One promise of a port. */
export interface ContractCase {
  /** A sentence; no two cases of a contract have the same. */
  readonly name: string;
  /** Rejects by an assertion if the implementation does not keep the promise. */
  readonly run: () => Promise<void>;
}

/** The ports of one store that belong together, and what no port can do but time, people and accidents can. */
export interface ContractPorts {
  readonly sessions: SessionRepository;
  readonly policies: SecurityPolicyRepository;
  readonly log: AuthEventLog;
  readonly feed: RevocationFeed;
  readonly unitOfWork: UnitOfWork;
  /** Overwrites properties of a stored session, past every condition. */
  alterSession(id: string, changes: Partial<Session>): Promise<void>;
  /** Overwrites properties of the policy, past every condition; null loses it, as an incomplete backup does. */
  alterPolicy(changes: Partial<SecurityPolicy> | null): Promise<void>;
  /** Only of a store in which a refresh reads the user with the session (`RefreshReading.user`): adds a user. */
  addUser?(user: UserWithPassword): Promise<void>;
  /** Called at the end of each case. Leave it out if all cases share the ports. */
  close?(): Promise<void>;
}

/** An implementation to prove. */
export interface UnderTest<Ports = ContractPorts> {
  /**
   * Called once for each case, before it. It may return the same ports each time: a case creates ids of its own, and ends or
   * deletes what it counts. Run the cases one after another, on a store that nothing else writes to.
   */
  readonly make: () => Promise<Ports>;
}

export interface CaseCollector {
  readonly describe: (subject: string, define: () => void) => void;
  readonly beforeEach: (prepare: () => unknown) => void;
  readonly it: (name: string, run: () => Promise<void>) => void;
}

/** The cases that `define` describes as a test runner's file does; each has what `open` returns open while it runs. */
export function collected(
  open: () => Promise<{ close?(): Promise<void> }>,
  define: (collector: CaseCollector) => void,
): readonly ContractCase[] {
  const cases: ContractCase[] = [];
  let [subjects, preparations]: [string[], (() => unknown)[]] = [[], []];
  define({
    describe(subject, inner) {
      const outer = [subjects, preparations] as const;
      [subjects, preparations] = [[...subjects, subject], [...preparations]];
      inner();
      [subjects, preparations] = [...outer];
    },
    beforeEach: (prepare) => void preparations.push(prepare),
    it(name, run) {
      const prepared = preparations;
      cases.push({
        name: [...subjects, name].join(' '),
        run: async () => {
          const opened = await open();
          try {
            for (const prepare of prepared) await prepare();
            await run();
          } finally {
            await opened.close?.();
          }
        },
      });
    },
  });
  return cases;
}
