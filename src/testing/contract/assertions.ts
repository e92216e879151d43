import assert from 'node:assert/strict';
import { inspect, isDeepStrictEqual } from 'node:util';

/** In what is expected: any date. */
export const A_DATE = Symbol('a date');

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Date) &&
  !ArrayBuffer.isView(value);

/** A value as data: ports promise properties, so the class of an object does not count, nor does a property that is undefined. */
function dataOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(dataOf);
  if (!isRecord(value)) return value;
  const properties = Object.entries(value).filter(([, property]) => property !== undefined);
  return Object.fromEntries(properties.map(([name, property]) => [name, dataOf(property)]));
}

/** `actual`, as far as `expected` has a say in it. */
function seen(actual: unknown, expected: unknown, part: boolean): unknown {
  if (expected === A_DATE) return actual instanceof Date ? A_DATE : actual;
  if (Array.isArray(actual) && Array.isArray(expected))
    return actual.map((item, at) => seen(item, expected[at] as unknown, part));
  if (!isRecord(actual) || !isRecord(expected)) return actual;
  const properties = Object.entries(actual).filter(([name]) => !part || name in expected);
  return Object.fromEntries(properties.map(([name, property]) => [name, seen(property, expected[name], part)]));
}

/** Fails unless both are the same data. */
export function same(actual: unknown, expected: unknown): void {
  const wanted = dataOf(expected);
  assert.deepEqual(seen(dataOf(actual), wanted, false), wanted);
}

/** Fails unless `actual` has every property of `expected`; lists are compared item by item. */
export function matches(actual: unknown, expected: unknown): void {
  const wanted = dataOf(expected);
  assert.deepEqual(seen(dataOf(actual), wanted, true), wanted);
}

/** Fails unless every item of `expected` is in `actual`. */
export function includes(actual: readonly unknown[], expected: readonly unknown[]): void {
  const [items, wanted] = [actual.map(dataOf), expected.map(dataOf)];
  for (const one of wanted) {
    if (!items.some((item) => isDeepStrictEqual(item, one))) assert.fail(`${inspect(one)} is not in ${inspect(items)}`);
  }
}
