const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** A sealed text with any one of its characters changed, cut off or added; `prefix` is how it begins. */
export function* changedTexts(text: string, prefix: string): Iterable<string> {
  for (let at = 0; at < text.length; at++)
    for (const character of `${ALPHABET}.=+/ `)
      if (character !== text[at]) yield text.slice(0, at) + character + text.slice(at + 1);
  yield* [text.slice(0, -1), `${text}A`, `${text}=`, ` ${text}`, `${text}\n`, prefix, ''];
}

/** The text with another last character. */
export const withOtherEnd = (text: string): string => text.slice(0, -1) + (text.endsWith('A') ? 'B' : 'A');
