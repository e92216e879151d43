const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** The seconds of a text such as `10s`, `15m`, `1h` or `7d`; a number without a unit is seconds. Which texts may be given, callers decide. */
export const secondsOf = (duration: string): number =>
  Number.parseInt(duration, 10) * (SECONDS[duration.slice(-1)] ?? 1);
