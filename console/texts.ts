/* How values are written. */

const numbers = new Intl.NumberFormat('en');
const rates = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const times = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });

export const numberText = (value: number): string => numbers.format(value);
export const rateText = (value: number): string => rates.format(value);
export const timeText = (time: string): string => times.format(new Date(time));
export const clockText = (time: string): string => clock.format(new Date(time));

const UNITS: readonly (readonly [seconds: number, name: string])[] = [
  [86_400, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
  [1, 'second'],
];

/** The largest unit that fits, such as "3 minutes". */
export function spanText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [length, name] = UNITS.find(([each]) => whole >= each) ?? [1, 'second'];
  const count = Math.round(whole / length);
  return `${numberText(count)} ${name}${count === 1 ? '' : 's'}`;
}

export const agoText = (time: string, now = Date.now()): string => {
  const seconds = (now - Date.parse(time)) / 1000;
  return seconds < 1 ? 'now' : `${spanText(seconds)} ago`;
};

export const counted = (count: number, one: string): string => `${numberText(count)} ${one}${count === 1 ? '' : 's'}`;

/** `auth.token_refresh.succeeded.v1` is "token refresh succeeded". */
export const eventText = (type: string): string =>
  type
    .replace(/^auth\./, '')
    .replace(/\.v\d+$/, '')
    .replaceAll('.', ' ')
    .replaceAll('_', ' ');

export const wordText = (word: string): string => word.replaceAll('_', ' ');

/** Characters that show nothing, or turn or break the text after them. */
const HIDDEN = /[\p{Cc}\p{Cf}\u2028\u2029\uD800-\uDFFF]/gu;

/** A text from outside in pieces: what can be shown as it is, and the code points of what hides. */
export function piecesOf(text: string): readonly { readonly text: string; readonly isHidden: boolean }[] {
  const pieces: { text: string; isHidden: boolean }[] = [];
  let from = 0;
  for (const { 0: found, index } of text.matchAll(HIDDEN)) {
    if (index > from) pieces.push({ text: text.slice(from, index), isHidden: false });
    const code = found.codePointAt(0) ?? 0;
    pieces.push({ text: `U+${code.toString(16).toUpperCase().padStart(4, '0')}`, isHidden: true });
    from = index + found.length;
  }
  if (from < text.length) pieces.push({ text: text.slice(from), isHidden: false });
  return pieces;
}

/** The same as one text, for what holds no elements. */
export const plainText = (text: string): string =>
  piecesOf(text)
    .map((piece) => (piece.isHidden ? `⟨${piece.text}⟩` : piece.text))
    .join('');

/** A user agent in a few words. */
export function agentText(agent: string): string {
  const browser = /(Firefox|Edg|OPR|Chrome|Safari)\/(\d+)/.exec(agent);
  if (browser === null) return agent.length > 40 ? `${agent.slice(0, 39)}…` : agent;
  const names: Readonly<Record<string, string>> = { Edg: 'Edge', OPR: 'Opera' };
  const name = names[browser[1] ?? ''] ?? browser[1] ?? '';
  const system = /Windows|Android|iPhone|iPad|Mac OS X|Linux/.exec(agent)?.[0];
  return `${name} ${browser[2] ?? ''}${system === undefined ? '' : `, ${system.replace('Mac OS X', 'macOS')}`}`;
}
