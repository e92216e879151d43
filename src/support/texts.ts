/** UTC, to the second. */
export const timeText = (time: Date): string => `${time.toISOString().slice(0, 19).replace('T', ' ')}Z`;

export const numberText = (number: number): string => number.toLocaleString('en-US');
