/** One line of a scrape. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const NAME = /[a-zA-Z_:][\w:]*/y;
const LABEL_NAME = /[a-zA-Z_]\w*/y;
/** A quoted value, in which backslash escapes the next character. */
const LABEL_VALUE = /"((?:[^"\\]|\\.)*)"/y;
const SPECIAL: Readonly<Record<string, number>> = {
  '+Inf': Infinity,
  '-Inf': -Infinity,
  Inf: Infinity,
  NaN: NaN,
};

/**
 * Reads the Prometheus text format and OpenMetrics: comments, timestamps and exemplars are passed over. A line that is
 * neither is passed over too, because one odd family must not hide the others.
 */
export function parsePrometheus(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    const sample = line.startsWith('#') ? undefined : parseLine(line.trim());
    if (sample !== undefined) samples.push(sample);
  }
  return samples;
}

function parseLine(line: string): Sample | undefined {
  const name = match(NAME, line, 0);
  if (name === undefined) return undefined;
  const labels = line[name.end] === '{' ? parseLabels(line, name.end + 1) : { values: {}, end: name.end };
  if (labels === undefined) return undefined;
  const [written = ''] = line.slice(labels.end).trim().split(/\s+/);
  const value = SPECIAL[written] ?? Number(written === '' ? 'x' : written);
  if (Number.isNaN(value) && written !== 'NaN') return undefined;
  return { name: name.text, labels: labels.values, value };
}

function parseLabels(
  line: string,
  from: number,
): { values: Record<string, string>; end: number } | undefined {
  const values: Record<string, string> = {};
  let at = from;
  while (line[at] !== '}') {
    const name = match(LABEL_NAME, line, skip(line, at, ' '));
    if (name === undefined) return undefined;
    const equals = skip(line, name.end, ' ');
    const value = line[equals] === '=' ? match(LABEL_VALUE, line, skip(line, equals + 1, ' ')) : undefined;
    if (value === undefined) return undefined;
    values[name.text] = unescape(value.text.slice(1, -1));
    at = skip(line, value.end, ' ,');
  }
  return { values, end: at + 1 };
}

function match(pattern: RegExp, line: string, from: number): { text: string; end: number } | undefined {
  pattern.lastIndex = from;
  const text = pattern.exec(line)?.[0];
  return text === undefined ? undefined : { text, end: pattern.lastIndex };
}

function skip(line: string, from: number, characters: string): number {
  let at = from;
  while (at < line.length && characters.includes(line.charAt(at))) at += 1;
  return at;
}

function unescape(text: string): string {
  return text.replace(/\\(.)/g, (_whole, character: string) => (character === 'n' ? '\n' : character));
}
