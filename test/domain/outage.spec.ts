import { Outage } from '../../src/support/outage';

describe('An outage', () => {
  const MINUTE = 60_000;
  let lines: string[];
  let now: number;
  let outage: Outage;
  beforeEach(() => {
    lines = [];
    now = 1;
    const logger = {
      warn: (message: string) => void lines.push(`warn: ${message}`),
      log: (message: string) => void lines.push(`log: ${message}`),
    };
    outage = new Outage(logger, 'it is back', () => now);
  });

  it('is told when it begins, once a minute while it lasts, and when it is over', () => {
    for (let failure = 0; failure <= 120; failure++, now += 1000) outage.goesOn(`failure ${failure}`);
    outage.ends();
    expect(lines).toEqual(['warn: failure 0', 'warn: failure 60', 'warn: failure 120', 'log: it is back']);
  });

  it('is over once, and what was never out of order is not told to be back', () => {
    outage.ends();
    outage.goesOn('failure');
    outage.ends();
    outage.ends();
    expect(lines).toEqual(['warn: failure', 'log: it is back']);
  });

  it('that comes and goes many times in a minute is told once', () => {
    for (; now < 2 * MINUTE; now += 1000) {
      outage.goesOn(`failure ${now}`);
      outage.ends();
    }
    expect(lines).toEqual(['warn: failure 1', 'log: it is back', 'warn: failure 60001', 'log: it is back']);
  });
});
