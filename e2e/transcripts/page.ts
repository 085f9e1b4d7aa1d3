import { CHANGED_FILE, CHANGED_NAME, type Shown } from './commands.js';

/** Longer ones are cut: whoever wants all of it types the command. */
const MOST_LINES = 24;
const FENCE = '```';

const INTRO = `# Transcripts

Each command on the demo shop (\`make demo\`), while its shopper sends 20 requests a second. This page is written by a test, which also sees to it that the commands still print
what stands here (\`e2e/tests/transcripts.test.ts\`); \`WEFT_RENDER=1 npm run test:e2e -- transcripts\` rewrites it.
`;

/** The whole page; `texts` are what the commands print, by their words. */
export function pageOf(shown: readonly Shown[], texts: ReadonlyMap<string, string>): string {
  const sections = shown.map(
    ({ says, words }) =>
      `## ${titleOf(words)}\n\n${says}\n\n${FENCE}console\n${promptOf(words)}\n${cut(texts.get(words) ?? '')}\n${FENCE}\n`,
  );
  return [INTRO, ...sections].join('\n');
}

/** What the page says that a command prints; undefined where it has no such command. */
export function saidOnPage(page: string, words: string): string | undefined {
  const [, rest] = page.split(`${FENCE}console\n${promptOf(words)}\n`);
  return rest?.split(`\n${FENCE}\n`)[0];
}

/** The part of a text that is the same each time: the heads of its tables, or where there is none the word that it begins with. */
export function lastingOf(text: string): readonly string[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const heads = lines.filter((line) => /^[A-Z][A-Z0-9/]*(?: +[A-Z][A-Z0-9/]*)+$/.test(line.trim()));
  if (heads.length > 0) return heads.map((head) => head.trim().replaceAll(/ {2,}/g, '  '));
  return [/[A-Za-z]+/.exec(lines[0] ?? '')?.[0] ?? ''];
}

/** Of what is printed again and again, the first. */
export function firstOf(text: string): string {
  const [head = '', ...rest] = text.split('\n');
  const again = rest.indexOf(head);
  return [head, ...(again < 0 ? rest : rest.slice(0, again))].join('\n');
}

function titleOf(words: string): string {
  const [first = '', second = ''] = words.split(' ');
  return `weft ${['authz', 'proxy', 'stat'].includes(first) && /^[a-z-]{3,}$/.test(second) ? `${first} ${second}` : first}`;
}

function promptOf(words: string): string {
  return `$ weft ${words.replace(CHANGED_FILE, CHANGED_NAME)}`;
}

function cut(text: string): string {
  const lines = text.replaceAll(CHANGED_FILE, CHANGED_NAME).trimEnd().split('\n');
  const rest = lines.length - MOST_LINES;
  const kept = lines.slice(0, MOST_LINES).map((line) => line.trimEnd());
  return [...kept, ...(rest > 0 ? [`… and ${rest} more lines`] : [])].join('\n');
}
