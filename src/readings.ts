import { isIP } from 'node:net';
import { accessTokenKeyOf, type Limit, passwordProblem, POSTGRES_URL, SCHEMA_NAME } from './auth';
import { secondsOf } from './support/duration';
import { normaliseEmail } from './users/email';

export const HOUR = 3600;

/** How a text becomes a value. `words` are the rule that a problem quotes, so that no message can quote the value. */
export interface Reading<T> {
  readonly words: string;
  /** Undefined for a text that breaks the rule. */
  readonly read: (written: string) => T | undefined;
}

const matching = <T>(pattern: RegExp, words: string, valueOf: (written: string) => T): Reading<T> => ({
  words,
  read: (written) => (pattern.test(written) ? valueOf(written) : undefined),
});
/** A text that is the value itself. */
const checked = (holds: (written: string) => boolean, words: string): Reading<string> => ({
  words,
  read: (written) => (holds(written) ? written : undefined),
});
const within = ({ words, read }: Reading<number>, min: number, max: number, unit = ''): Reading<number> => ({
  words: `${words} from ${min}${unit} to ${max}${unit}`,
  read: (written) => {
    const value = read(written) ?? NaN;
    return value >= min && value <= max ? value : undefined;
  },
});
export const list = <T>({ words, read }: Reading<T>): Reading<T[]> => ({
  words: `${words}, comma separated`,
  read: (written) => {
    const items = written.split(',').map((item) => read(item.trim()));
    return items.includes(undefined) ? undefined : (items as T[]);
  },
});

const SPAN = /^(\d+[smhd]|0)$/;
const SPAN_WORDS = 'must be a duration such as 10s, 15m, 1h or 7d';

function limitOf(written: string): Limit | null {
  const [points = '', seconds = ''] = written.split('/');
  return written === '0' ? null : { points: Number(points), seconds: secondsOf(seconds) };
}

export const text = checked(() => true, '');
export const flag = matching(/^(true|false)$/, 'must be true or false', (written) => written === 'true');
export const number = matching(/^\d+$/, 'must be a whole number', Number);
export const span = matching(SPAN, SPAN_WORDS, secondsOf);
/** 0 is none: null. */
export const spanOrNone: Reading<number | null> = {
  words: `${SPAN_WORDS}, or 0 for none`,
  read: (written) => (span.read(written) === 0 ? null : span.read(written)),
};
export const milliseconds = matching(SPAN, SPAN_WORDS, (written) => secondsOf(written) * 1000);
export const limit = matching(/^(\d+\/\d+[smhd]|0)$/, 'must be a limit such as 10/15m, or 0 for none', limitOf);
export const whole = (min: number, max: number): Reading<number> => within(number, min, max);
/** In seconds, also its limits. */
export const duration = (min: number, max: number): Reading<number> => within(span, min, max, 's');

export const postgresUrl = checked(POSTGRES_URL.holds, POSTGRES_URL.words);
export const schemaName = checked(SCHEMA_NAME.holds, SCHEMA_NAME.words);
export const emailAddress = checked((written) => normaliseEmail(written) !== null, 'must be an e-mail address');
export const goodPassword = checked(
  (written) => passwordProblem(written) === null,
  'must have 8 to 64 characters and at most 72 bytes, and be none of the most common ones',
);
export const hostName = checked(
  (name) => /^[\w.:-]+$/.test(name) && URL.canParse(addressOf(name, 0)),
  'must be an address or a host name',
);
export const proxies = list(checked(isNetwork, 'must be addresses or networks such as 10.0.0.0/8, never true'));

/** A network of /0 would trust every client: any of them could claim any address. */
function isNetwork(written: string): boolean {
  const [address = '', bits = '1', ...more] = written.split('/');
  const most = { 4: 32, 6: 128 }[isIP(address)] ?? 0;
  return more.length === 0 && /^[1-9]\d*$/.test(bits) && Number(bits) <= most;
}

/** `id:base64` each; the bytes are base64 to the letter, in either alphabet. */
const keys = <Key>(word: string, id: RegExp, keyOf: (id: string, bytes: Buffer) => Key): Reading<Key[]> =>
  list({
    words: `must be ${word}:base64 keys`,
    read: (written) => {
      const [, name = '', base64 = ''] = /^([^:]+):([^:=]+)=*$/.exec(written) ?? [];
      const bytes = Buffer.from(base64, 'base64');
      const spellings = [bytes.toString('base64').replace(/=+$/, ''), bytes.toString('base64url')];
      return id.test(name) && spellings.includes(base64) ? keyOf(name, bytes) : undefined;
    },
  });
/** Of any of the kinds, which the bytes decide by how they begin; which are usable, auth says, with the kid. */
export const accessKeys = keys('kid', /./, accessTokenKeyOf);
export const refreshKeys = keys('id', /^(0|[1-9]\d*)$/, (id, root) => ({ id: Number(id), root }));

/** Which names and secrets are usable, auth says. */
export const resourceServers = list({
  words: 'must be name:secret pairs',
  read: (written) => {
    const [, name, secret] = /^([^:]+):(.+)$/.exec(written) ?? [];
    return name === undefined || secret === undefined ? undefined : { name, secret };
  },
});

export const addressOf = (host: string, port: number): string =>
  `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
