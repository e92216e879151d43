/** What may be left out, or be undefined. */
export type Given<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** What a value must be: words that follow its name, and the test. Not every host is compiled: a value may be anything. */
export interface Rule {
  readonly words: string;
  readonly holds: (value: unknown) => boolean;
}

export type Fields = Readonly<Record<string, unknown>>;

export const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null ? (value as Fields) : {};
export const isWhole = (value: unknown, min: number, max: number): boolean =>
  Number.isInteger(value) && Number(value) >= min && Number(value) <= max;

export const matching = (pattern: RegExp, words: string): Rule => ({
  words,
  holds: (value) => typeof value === 'string' && pattern.test(value),
});
export const whole = (min: number, max: number, what = 'a whole number'): Rule => ({
  words: `must be ${what} from ${min} to ${max}`,
  holds: (value) => isWhole(value, min, max),
});
export const oneOf = (...values: readonly string[]): Rule => ({
  words: `must be ${values.join(' or ')}`,
  holds: (value) => values.includes(value as string),
});
export const orNull = ({ words, holds }: Rule): Rule => ({ words, holds: (value) => value === null || holds(value) });
export const text = matching(/\S/, 'must be a non-empty string');
export const flag: Rule = { words: 'must be true or false', holds: (value) => typeof value === 'boolean' };

/** Not `URL`: the address of a Unix socket, `postgres:///name?host=/folder`, has no host. @internal */
export const POSTGRES_URL: Rule = {
  words:
    'must be a URL that starts with postgres:// or postgresql:// and names one host: put HAProxy in front of several',
  holds: (value) => typeof value === 'string' && /^postgres(ql)?:\/\/./.test(value) && !namesSeveralHosts(value),
};

/** The driver would take the list for one name. A comma in the password is none in the list. */
function namesSeveralHosts(url: string): boolean {
  const [address = '', query = ''] = url.replace(/^\w+:\/\//, '').split('?', 2);
  const [authority = ''] = address.split('/', 1);
  return (
    authority.slice(authority.lastIndexOf('@') + 1).includes(',') ||
    new URLSearchParams(query).getAll('host').some((host) => host.includes(','))
  );
}

/** What is wrong with an option: its name, dotted where it is part of another, and words that follow it. */
export interface OptionProblem {
  readonly option: string;
  readonly rule: string;
}

/** The one error of a start with bad options: every option that is wrong, and its rule, never its value. */
export class InvalidAuthOptions extends Error {
  constructor(
    readonly problems: readonly OptionProblem[],
    of = 'options of AuthModule',
  ) {
    super(`The ${of} are not usable:\n${problems.map(({ option, rule }) => `  - ${option} ${rule}`).join('\n')}`);
  }
}

/** Each of `values` that breaks its rule, or has none; `group` stands before its name. */
export function broken(rules: Readonly<Record<string, Rule>>, values: object, group = ''): OptionProblem[] {
  const fields = fieldsOf(values);
  const wrong = Object.entries(rules).filter(([name, { holds }]) => !holds(fields[name]));
  const unknown = Object.keys(fields).filter((name) => !Object.hasOwn(rules, name));
  return [
    ...wrong.map(([name, { words }]) => ({ option: group + name, rule: words })),
    ...unknown.map((name) => ({ option: group + name, rule: 'is not an option' })),
  ];
}
