import fc from 'fast-check';
import {
  DAY,
  gapsBetween,
  isoOf,
  partitionsToCreate,
  type PartitionUnit,
  type Range,
} from '../../src/auth/infrastructure/postgres/partition-plan';

const at = (iso: string): number => Date.parse(iso) * 1000;
const range = (from: string, to: string): Range => ({ from: at(from), to: at(to) });
const planned = (unit: PartitionUnit, now: string, existing: readonly Range[] = []) =>
  partitionsToCreate(unit, at(now), existing).map(({ from, to }) =>
    `${isoOf(from)} ${isoOf(to)}`.replaceAll('T00:00:00.000000Z', ''),
  );

describe('the partitions to create', () => {
  it('begin today and reach a month ahead by month', () => {
    expect(planned('month', '2026-12-20T13:14:15Z')).toEqual(['2026-12-20 2027-01-01', '2027-01-01 2027-02-01']);
    expect(planned('month', '2027-01-31T00:00:00Z')).toEqual([
      '2027-01-31 2027-02-01',
      '2027-02-01 2027-03-01',
      '2027-03-01 2027-04-01',
    ]);
  });

  it('are weeks from Monday to Monday, two of them ahead', () => {
    expect(planned('week', '2026-11-29T23:59:59Z')).toEqual([
      '2026-11-29 2026-11-30',
      '2026-11-30 2026-12-07',
      '2026-12-07 2026-12-14',
    ]);
    expect(planned('week', '2026-11-30T00:00:00Z')[0]).toBe('2026-11-30 2026-12-07');
  });

  it('are days, seven of them ahead', () => {
    expect(planned('day', '2028-02-28T12:00:00Z')).toEqual([
      '2028-02-28 2028-02-29',
      '2028-02-29 2028-03-01',
      '2028-03-01 2028-03-02',
      '2028-03-02 2028-03-03',
      '2028-03-03 2028-03-04',
      '2028-03-04 2028-03-05',
      '2028-03-05 2028-03-06',
      '2028-03-06 2028-03-07',
    ]);
  });

  it('fill what another unit, or a host, has left open', () => {
    const month = range('2026-11-01T00:00:00Z', '2026-12-01T00:00:00Z');
    expect(planned('week', '2026-11-29T00:00:00Z', [month])).toEqual([
      '2026-12-01 2026-12-07',
      '2026-12-07 2026-12-14',
    ]);
    const odd = range('2026-12-02T05:30:00Z', '2026-12-03T05:30:00Z');
    expect(planned('month', '2026-11-29T00:00:00Z', [odd, month])).toEqual([
      '2026-12-01 2026-12-02T05:30:00.000000Z',
      '2026-12-03T05:30:00.000000Z 2027-01-01',
    ]);
  });

  it('are none where a partition has no upper bound', () => {
    expect(planned('day', '2026-11-29T00:00:00Z', [{ from: at('2026-11-01T00:00:00Z'), to: Infinity }])).toEqual([]);
    expect(planned('month', '2026-11-29T00:00:00Z', [{ from: -Infinity, to: at('2026-12-31T00:00:00Z') }])).toEqual([]);
  });

  // Seen red with partitions that end with their unit though a partition begins before, with a covering one that is searched
  // by `from < at`, and with a horizon that begins today.
  it('leave no gap and no overlap, whatever the units, the partitions of a host, and the jumps of the clock', () => {
    const units = fc.constantFrom<PartitionUnit>('month', 'week', 'day');
    const start = at('2026-11-29T00:00:00Z');
    const steps = fc.array(
      fc.record({ unit: units, jump: fc.integer({ min: -40 * DAY, max: 40 * DAY }), dropped: fc.nat({ max: 3 }) }),
      { minLength: 1, maxLength: 12 },
    );
    const theirs = fc.array(
      fc.record({ gap: fc.integer({ min: 0, max: 20 * DAY }), length: fc.integer({ min: 1, max: 50 * DAY }) }),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(theirs, fc.constantFrom(0, 1, 2, 3), steps, (hosts, open, given) => {
        let end = start - 30 * DAY;
        let existing: Range[] = hosts.map(({ gap, length }) => {
          const from = end + gap;
          end = from + length;
          return { from, to: end };
        });
        if (open & 1) existing = existing.map((one, nth) => (nth === 0 ? { ...one, from: -Infinity } : one));
        if (open & 2)
          existing = existing.map((one, nth) => (nth === existing.length - 1 ? { ...one, to: Infinity } : one));
        let now = start;
        for (const { unit, jump, dropped } of given) {
          now += jump;
          const created = partitionsToCreate(unit, now, existing);
          existing = [...existing, ...created].toSorted((one, other) => one.from - other.from);
          expect(
            existing.filter(({ from, to }, nth) => to <= from || from < (existing[nth - 1]?.to ?? -Infinity)),
          ).toEqual([]);
          const [today, ahead] = [Math.floor(now / DAY) * DAY, { day: 7, week: 14, month: 31 }[unit]];
          let covered = today;
          for (const { from, to } of existing) if (from <= covered) covered = Math.max(covered, to);
          expect(covered).toBeGreaterThanOrEqual(now + ahead * DAY);
          expect(partitionsToCreate(unit, now, existing)).toEqual([]);
          existing.splice(0, dropped);
        }
      }),
    );
  });
});

it('a gap is what no partition holds', () => {
  expect(gapsBetween([])).toEqual([{ from: -Infinity, to: Infinity }]);
  expect(
    gapsBetween([
      { from: 5, to: 6 },
      { from: -Infinity, to: 3 },
      { from: 3, to: 4 },
    ]),
  ).toEqual([
    { from: 4, to: 5 },
    { from: 6, to: Infinity },
  ]);
});

it('an instant is written with all its digits', () => {
  expect(isoOf(at('2026-11-29T01:02:03.004Z') + 5)).toBe('2026-11-29T01:02:03.004005Z');
});
