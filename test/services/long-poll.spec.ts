import { AccessTokenAuthenticator, type RevocationReading, RevocationSource, RevocationView } from '../../src';
import { NoMetrics } from '../../src/auth/infrastructure/defaults/no-metrics';
import { InMemoryStore } from '../../src/testing';
import { FakeSigner, SESSION_ID, USER_ID } from '../http/unit/fakes';

const TTL_SECONDS = 900;
const MAX_WAIT_MS = 20_000;
const quiet = { log: () => undefined, warn: () => undefined };

/** Holds each reading from a horizon back until there is news, and answers a later one at once, as the feed over HTTP does. */
class PolledSource extends RevocationSource {
  readonly horizons: (bigint | null)[] = [];
  private readonly store = new InMemoryStore();
  private ended: string[] = [];
  private release: ((reading: RevocationReading | Error) => void) | null = null;

  end(sessionId: string): void {
    this.ended = [...this.ended, sessionId];
  }

  /** The poll that waits is answered. */
  answer(): void {
    this.release?.(this.reading());
    this.release = null;
  }

  read(horizon: bigint | null): Promise<RevocationReading> {
    this.horizons.push(horizon);
    const overtaken = this.release;
    this.release = null;
    overtaken?.(new Error('a later reading has begun'));
    if (horizon === null || overtaken !== null) return Promise.resolve(this.reading());
    return new Promise((resolve, reject) => {
      this.release = (reading) => (reading instanceof Error ? reject(reading) : resolve(reading));
    });
  }

  async watch(): Promise<() => Promise<void>> {
    return async () => {
      this.release?.(new Error('the service ends'));
    };
  }

  private reading(): RevocationReading {
    return {
      policy: this.store.currentPolicy(),
      revocations: this.ended.map((sessionId) => ({
        kind: 'session',
        sessionId,
        announcedAt: new Date(),
        position: 0n,
      })),
      horizon: BigInt(this.horizons.length),
      now: new Date(),
      server: 'the feed',
    };
  }
}

describe('A view whose source holds its answers back', () => {
  beforeEach(() => jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] }));
  afterEach(() => {
    expect(jest.getTimerCount()).toBe(0);
    jest.useRealTimers();
  });
  const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);
  /** As a machine sleeps: the monotonic clock and the timers stand still. */
  const sleep = (seconds: number) => jest.setSystemTime(Date.now() + seconds * 1000);

  async function started() {
    const source = new PolledSource();
    const limits = { accessTokenTtlSeconds: TTL_SECONDS, maxStalenessSeconds: 60, maxWaitMs: MAX_WAIT_MS };
    const view = new RevocationView(source, limits, quiet, new NoMetrics());
    const signer = new FakeSigner();
    const iat = Math.floor(Date.now() / 1000);
    signer.issue('good', { iat, exp: iat + TTL_SECONDS });
    await view.start();
    await pass(1000); // the first poll
    return { source, view, authenticator: new AccessTokenAuthenticator(signer, view, limits) };
  }

  it('waits as long as the source may, and decides meanwhile without waiting', async () => {
    const { source, view, authenticator } = await started();
    for (let second = 0; second < 20; second++) {
      await pass(1000);
      expect(authenticator.authenticate('good')).toMatchObject({ userId: USER_ID });
    }
    expect(source.horizons).toEqual([null, 1n]);
    await view.stop();
  });

  it('ages from the asking, whenever the answer arrives', async () => {
    const { source, view } = await started();
    await pass(15_000);
    source.answer();
    await pass(0);
    expect(view.stalenessSeconds).toBeCloseTo(15, 1);
    await view.stop();
  });

  it('takes the clock of an answer for that of its end', async () => {
    const { source, view } = await started();
    await pass(15_000);
    source.answer();
    await pass(0);
    expect(view.now().getTime()).toBe(Date.now());
    await view.stop();
  });

  // Seen red with a timer that shows life: it fires before the first request, and knows nothing of the sleep.
  it.each([
    ['first', 0],
    ['after its timers', 1000],
  ])('that was frozen asks before it decides, when a request is there %s', async (_, ms) => {
    const { source, view, authenticator } = await started();
    await pass(3000);
    source.end(SESSION_ID);
    sleep(5);
    if (ms > 0) jest.advanceTimersByTime(ms); // in one go, as the timers of a process that wakes up are
    expect(await authenticator.authenticate('good')).toBeNull();
    expect(source.horizons).toEqual([null, 1n, 1n]);
    await pass(1050);
    expect(source.horizons).toEqual([null, 1n, 1n, 3n]); // the next poll waits from there
    await view.stop();
  });
});
