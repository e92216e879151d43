import { type CustomTypesConfig, types } from 'pg';

const { BOOL, BYTEA, FLOAT8, INT2, INT4, JSON: JSON_TEXT, JSONB, TIMESTAMPTZ } = types.builtins;
/** PostgreSQL's fixed id of `text[]`; pg names no arrays. */
const TEXT_ARRAY = 1009;

/** The types that auth reads. Any other remains text, as PostgreSQL writes it. */
const PARSERS: ReadonlyMap<number, (text: string) => unknown> = new Map([
  [BOOL, (text: string) => text === 't'],
  [INT2, Number],
  [INT4, Number],
  [FLOAT8, Number],
  [JSON_TEXT, (text: string) => JSON.parse(text) as unknown],
  [JSONB, (text: string) => JSON.parse(text) as unknown],
  [BYTEA, bytesOf],
  [TIMESTAMPTZ, timeOf],
  [TEXT_ARRAY, elementsOf],
]);

/** For auth's own statements: a host may have put any parser into pg's global table, and into its pool. */
export const OWN_TYPES: CustomTypesConfig = {
  getTypeParser: ((id: number) => PARSERS.get(id) ?? String) as CustomTypesConfig['getTypeParser'],
};

/** In ISO style, with a space and perhaps with hours alone as offset, which no standard asks a runtime to read. */
function timeOf(text: string): Date {
  return new Date(text.replace(' ', 'T').replace(/[+-]\d\d$/, '$&:00'));
}

/** Either of the server's two ways of writing bytes. */
function bytesOf(text: string): Buffer {
  if (text.startsWith('\\x')) return Buffer.from(text.slice(2), 'hex');
  const unescaped = text.replace(/\\(?:([0-7]{3})|\\)/g, (_, octal?: string) =>
    octal === undefined ? '\\' : String.fromCharCode(parseInt(octal, 8)),
  );
  return Buffer.from(unescaped, 'latin1');
}

/** Of `{one,"two, quoted",NULL}`, one-dimensional. */
function elementsOf(text: string): (string | null)[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|([^{},"]+)/g)].map(([, quoted, plain]) =>
    quoted !== undefined ? quoted.replace(/\\(.)/g, '$1') : plain === 'NULL' ? null : (plain ?? ''),
  );
}
