import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(__dirname, '../..');

interface Phrase {
  /** A space matches any white space, so that a phrase is found across lines, too. */
  readonly avoid: RegExp;
  readonly write: string;
  readonly bad: readonly string[];
  readonly good: readonly string[];
}

/** The words that readers stumble over, and the usual ones. */
const VOICE: readonly Phrase[] = [
  {
    avoid: /\b(?:tells?|told|telling)\b/i,
    write: 'log, report, show, say',
    bad: ['`/metrics` tells how old the view is.', 'A Redis that is down is told.', 'without being told'],
    good: ['`/metrics` shows how old the view is.', 'An unreachable Redis is reported as degraded.', 'Tellers count.'],
  },
  {
    avoid: /\banswers? (?:how many|how often|whether)\b/i,
    write: 'returns the number of, returns whether',
    bad: ['Ends all sessions; answers how many.', 'Answers whether anything was new.'],
    good: ['Ends all sessions; returns the number of ended sessions.', 'Returns whether anything was new.'],
  },
  {
    avoid: /\bAnswers (?:the|a|an|all|null|what) /,
    write: 'Returns the …',
    bad: ['Joins the unit of work. Answers the floor after it.'],
    good: ['Joins the unit of work. Returns the floor after it.', '## Answers'],
  },
  {
    avoid: /\bwh(?:o|om)ever\b/i,
    write: 'a client that …, anyone who …, callers',
    bad: ['Whoever has the keys derives the same successor.', 'for whoever knows the password'],
    good: ['Every instance with the keys derives the same successor.', 'for anyone who knows the password'],
  },
  {
    avoid: /\bWho (?!am|is|are|was|were)[a-z]+s\b/,
    write: 'a thief who …, a client that …',
    bad: ['- **Who steals the key as well** shares the session.', 'Who holds the lock objects.'],
    good: ['- A thief who also steals the key shares the session.', 'A tab that holds the lock objects.'],
  },
  {
    avoid: /\b(?:is|are|was|were|been|be) made\b/i,
    write: 'is created, is generated, is built',
    bad: ['A missing policy is made again.', 'The partitions are made ahead.'],
    good: ['A missing policy is created again.', 'The partitions are created ahead.', 'a handmade list'],
  },
  {
    avoid: /\b(?:comes|came|has come|have come)\b(?! from)/i,
    write: 'arrives, is, follows',
    bad: ['A refresh that comes alone is read alone.', 'What is read comes back as JSON.', 'The answer has come.'],
    good: ['A refresh that arrives alone is read alone.', 'The read returns JSON.', 'The image comes from npm.'],
  },
  {
    avoid: /\b(?:stands?|stood)\b(?! (?:for|still))/i,
    write: 'is, follows, applies',
    bad: ['Reuse stands before expiry.', 'In between may stand what was found.'],
    good: ['Reuse is checked before expiry.', 'a standard', 'The table stands for a host.', 'The clock stands still.'],
  },
  {
    avoid: /\bSay `\w+(?:Command|Query)/,
    write: 'Dispatch `XCommand`',
    bad: ['Say `RevokeUserSessionsCommand` when it must be at once.'],
    good: ['Dispatch `RevokeUserSessionsCommand` if it must be at once.'],
  },
  {
    avoid: /\bone (?:[a-z]+ )?more\b/i,
    write: 'an extra …, another …',
    bad: ['It is one more 401.', 'A refresh costs one statement more.', 'a limit of one more'],
    good: ['It is another 401.', 'A refresh costs an extra statement.', 'The more the better.'],
  },
  {
    avoid: /\b(?:text|string|list)s? that (?:is|are) not empty\b/i,
    write: 'a non-empty string',
    bad: ['accessTokenIssuer must be a text that is not empty'],
    good: ['accessTokenIssuer must be a non-empty string'],
  },
  {
    avoid: /(?<!\byou )\bwants?\b/i,
    write: 'requires',
    bad: ['Every route wants an access token.', 'The tour wants `curl`.'],
    good: ['Every route requires an access token.', 'Choose what you want.', 'unwanted'],
  },
  {
    avoid: /\broutes? needs?\b/i,
    write: 'requires',
    bad: ['This route needs a role.'],
    good: ['This route requires a role.', 'You need Node.js.'],
  },
  {
    avoid: /\bforth\b[^.]*\bback\b/i,
    write: 'in order, then in reverse',
    bad: ['measured in turn, forth in one round and back in the next', 'forth and back'],
    good: ['measured in order, then in reverse', 'They go back and so forth.'],
  },
  {
    avoid: /\bas good as\b/i,
    write: 'practically never; still valid',
    bad: ['It is as good as never read.', 'The token is as good as before.'],
    good: ['It is practically never read.', 'The token is still valid.'],
  },
  {
    avoid: /\b(?:is|are) said\b/i,
    write: 'failures are logged; the answer says',
    bad: ['What fails, is said.', 'When to ask again is said with every 503.'],
    good: ['Failures are logged.', 'Every 503 has `Retry-After`.'],
  },
  {
    avoid: /\bhow-?manieth\b/i,
    write: 'after this many …',
    bad: ['The how-manieth reuse ends every session.'],
    good: ["After this many reuses, all of the user's sessions end."],
  },
  {
    avoid: /\b(?:Redis|PostgreSQL|database|server|it|each|that) (?:that )?does not answer\b/i,
    write: 'is unreachable',
    bad: ['A Redis that does not answer is degraded.', 'while the database does not answer'],
    good: ['An unreachable Redis is degraded.', 'The route does not answer with SQL.'],
  },
  {
    avoid: /\bails?\b/i,
    write: "returns 503 with Terminus's report",
    bad: ['It is answered with what ails it.'],
    good: ['It returns 503 with the report.', 'mails', 'fails'],
  },
  {
    avoid: /(?:^|[|*#:>] |\. )Needed[;.,:]/m,
    write: 'Required: …',
    bad: ['Needed; a missing one fails.', '| `--mode` | Needed. |', '/** Needed: one word. */'],
    good: ['Required: without it startup fails.', 'Needed later is fine.'],
  },
  {
    avoid: /\bbut for\b/i,
    write: 'except, unless',
    bad: ['every route, but for those that are public', 'all tests but for the long ones'],
    good: ['every route unless it is public', 'all tests except the long ones', 'butter for all'],
  },
  {
    avoid: /\bthat says? `@/i,
    write: 'marked `@…`',
    bad: ['those that say `@Public()`'],
    good: ['those marked `@Public()`'],
  },
  {
    avoid: /\btakes? (?!part|place|effect)[a-z]+ in\b/i,
    write: 'add … through …',
    bad: ['`InMemoryUserDirectory` takes users in'],
    good: ['add users through `InMemoryUserDirectory`', 'It takes part in the race.'],
  },
  {
    avoid: /\bwhom (?:it|this) is about\b/i,
    write: 'the account',
    bad: ['`subject` becomes whom it is about.'],
    good: ['`subject` is the account.'],
  },
  {
    avoid: /\b(?:go|goes|going|went) on\b(?! (?:[a-z]+ )?(?:its|the) way)/i,
    write: 'continues; can still be …',
    bad: ['`true` where it goes on', 'The next clean-up goes on.'],
    good: ['`true` while the session can still be refreshed', 'The next clean-up continues.', 'The mango only grows.'],
  },
];

const matcher = ({ avoid: { source, flags } }: Phrase) => new RegExp(source.replaceAll(' ', '\\s+'), `${flags}g`);

/** Blanks everything but comments, in place, so that a place in the result is the same place in the source. */
function commentsOf(source: string): string {
  const blank = (text: string) => text.replace(/[^\n]/g, ' ');
  let from = 0;
  let kept = '';
  for (const { 0: comment, index } of source.matchAll(/\/\*[^]*?\*\/|(?<!:)\/\/.*/g)) {
    kept += blank(source.slice(from, index)) + comment.replace(/^(\s*)\*(?!\/)/gm, '$1 ');
    from = index + comment.length;
  }
  return kept + blank(source.slice(from));
}

const filesIn = (folder: string, pattern: RegExp): string[] =>
  readdirSync(join(ROOT, folder), { recursive: folder !== '' })
    .map((path) => join(folder, String(path)))
    .filter((path) => pattern.test(path));

const texts = [
  ...filesIn('', /\.md$/),
  ...filesIn('docs', /\.md$/),
  '.env.example',
  'openapi.json',
  'src/auth/options/auth.options.ts',
  ...filesIn('src/auth/ports', /\.ts$/),
  ...filesIn('src/guard/ports', /\.ts$/),
  ...filesIn('src/auth/application', /\.(?:command|query)\.ts$/),
  ...filesIn('src', /\.dto\.ts$/),
  ...filesIn('src/testing', /\.ts$/),
  'src/browser/index.mts',
  'examples/host-app/README.md',
  'examples/other-store/README.md',
  'examples/other-users/README.md',
  'examples/orders-service/README.md',
  ...filesIn('src/resource-server', /\.ts$/),
];

/** `place: "phrase", write …` for each phrase to avoid. */
function complaints(path: string, source: string): string[] {
  const text = /\.m?ts$/.test(path) ? commentsOf(source) : source;
  return VOICE.flatMap((phrase) =>
    [...text.matchAll(matcher(phrase))].map(({ 0: found, index }) => {
      const line = text.slice(0, index).split('\n').length;
      return `${path}:${line}: "${found.trim().replace(/\s+/g, ' ')}", write: ${phrase.write}`;
    }),
  );
}

describe.each(VOICE)('"$avoid"', (phrase) => {
  it.each(phrase.bad)('is found in: %s', (bad) => expect(bad).toMatch(matcher(phrase)));
  it.each(phrase.good)('is not in: %s', (good) => expect(good).not.toMatch(matcher(phrase)));
});

it('a phrase is found across lines and in comments alone, and its place is named', () => {
  const source =
    "const told = 'told';\n/**\n * It costs one statement\n * more.\n */\nread(); // https://example.com tells\n";
  expect(complaints('port.ts', source)).toEqual([
    'port.ts:6: "tells", write: log, report, show, say',
    'port.ts:3: "one statement more", write: an extra …, another …',
  ]);
  expect(complaints('page.md', source)).toHaveLength(3);
});

it('reads all the texts', () => {
  expect(texts.length).toBeGreaterThan(60);
});

it.each(texts)('%s uses the usual words', (path) => {
  expect(complaints(path, readFileSync(join(ROOT, path), 'utf8'))).toEqual([]);
});
