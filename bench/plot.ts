import { type Summary } from '../e2e/support/summary.js';

/** Summaries by subject and row, as `results.json` has them. */
export type Rows = Readonly<Record<string, Readonly<Record<string, Summary>>>>;

interface Panel {
  readonly title: string;
  readonly row: string;
  readonly digits: number;
  /** What lies in it of `direct` is taken off. */
  readonly added?: boolean;
}

const PANELS: readonly Panel[] = [
  { title: 'CPU of a request, HTTP/1.1 c=64, us', row: 'h1 c=64 cpu', digits: 0 },
  { title: 'CPU of a request, HTTP/2, us', row: 'h2 cpu', digits: 0 },
  { title: 'CPU of a gRPC call, us', row: 'grpc unary cpu', digits: 0 },
  { title: 'requests/s, HTTP/1.1 c=64', row: 'h1 c=64 rps', digits: 0 },
  { title: 'requests/s, HTTP/2', row: 'h2 rps', digits: 0 },
  { title: 'added p50 at 1,000 rps, us', row: '1,000 rps p50', digits: 0, added: true },
  { title: 'added p99 at 1,000 rps, us', row: '1,000 rps p99', digits: 0, added: true },
  { title: 'CPU of a new connection, us', row: 'new connections cpu', digits: 0 },
  { title: 'opaque TCP stream, MB/s', row: 'tcp MB/s', digits: 0 },
  { title: '100 MB body, MB/s', row: '100 MB MB/s', digits: 0 },
  { title: 'VmRSS busy, MB', row: 'rss busy', digits: 1 },
  { title: 'VmRSS idle, MB', row: 'rss idle', digits: 1 },
];
const COLOURS: Readonly<Record<string, string>> = { weft: '#0f766e', envoy: '#b45309', haproxy: '#64748b' };
const SUBJECTS = Object.keys(COLOURS);
const [COLUMNS, WIDTH, HEIGHT, BAR] = [3, 300, 96, 130];

/** Medians as bars with their spread as lines, one panel for each figure, as an SVG of its own. */
export function plot(rows: Rows): string {
  const panels = PANELS.map((panel, index) => {
    const [x, y] = [(index % COLUMNS) * WIDTH, Math.floor(index / COLUMNS) * HEIGHT];
    return `<g transform="translate(${x + 8} ${y + 8})">${draw(panel, rows)}</g>`;
  });
  const size = `${COLUMNS * WIDTH} ${Math.ceil(PANELS.length / COLUMNS) * HEIGHT}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size}" font-family="sans-serif" font-size="11">
<rect width="100%" height="100%" fill="#fff"/>
${panels.join('\n')}
</svg>
`;
}

function draw({ title, row, digits, added }: Panel, rows: Rows): string {
  const base = added ? (rows['direct']?.[row]?.median ?? 0) : 0;
  const figures = SUBJECTS.flatMap((subject) => {
    const found = rows[subject]?.[row];
    return found === undefined ? [] : [{ subject, ...found }];
  });
  const most = Math.max(...figures.map(({ max }) => max - base));
  const at = (value: number): string => ((Math.max(0, value - base) / most) * BAR).toFixed(1);
  const bars = figures.map(({ subject, median, min, max }, index) => {
    const y = 16 + index * 20;
    return `<text x="0" y="${y + 11}" fill="#334155">${subject}</text>
<rect x="52" y="${y}" width="${at(median)}" height="14" fill="${COLOURS[subject]}"/>
<path d="M${52 + Number(at(min))} ${y + 7}H${52 + Number(at(max))}" stroke="#111" stroke-width="1"/>
<text x="${58 + Number(at(max))}" y="${y + 11}">${(median - base).toFixed(digits)}</text>`;
  });
  return `<text y="8" font-weight="bold" fill="#0f172a">${title}</text>${bars.join('')}`;
}
