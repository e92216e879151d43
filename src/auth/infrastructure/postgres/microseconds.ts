/** Of a `timestamptz` in SQL, since 1970. Exact: a double holds every microsecond until the year 2255. */
export const microsecondsOf = (timestamp: string): string => `(extract(epoch FROM ${timestamp}) * 1000000)::float8`;
