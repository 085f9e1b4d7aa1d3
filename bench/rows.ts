/** Median over rounds of one subject, `NaN` where it was not measured. */
export type Lookup = (subject: string, row: string) => number;

/** One line to cross. */
export interface Line {
  readonly name: string;
  /** What Weft reached, in the words of the line. */
  readonly reached: (of: Lookup) => string;
  readonly floor: { readonly says: string; readonly met: (of: Lookup) => boolean };
  readonly goal: { readonly says: string; readonly met: (of: Lookup) => boolean };
}

/** Rows of the table in their order; the unit is the table's. */
export const ROWS: readonly (readonly [row: string, unit: string])[] = [
  ['h1 c=64 cpu', 'us both proxies'],
  ['h1 c=64 cpu user', 'us both proxies'],
  ['h1 c=64 rps', '1/s'],
  ['h1 c=1 cpu', 'us both proxies'],
  ['h1 c=1 rps', '1/s'],
  ['h2 cpu', 'us both proxies'],
  ['h2 cpu user', 'us both proxies'],
  ['h2 rps', '1/s'],
  ['1,000 rps p50', 'us'],
  ['1,000 rps p99', 'us'],
  ['1,000 rps p999', 'us'],
  ['100 MB MB/s', 'MB/s'],
  ['100 MB cpu', 'us both proxies'],
  ['tcp round trip', 'us'],
  ['tcp MB/s', 'MB/s'],
  ['new connections 1/s', '1/s'],
  ['new connections cpu', 'us both proxies'],
  ['start to ready', 'ms the slower'],
  ['certificate to ready', 'ms the slower'],
  ['rss idle', 'MB the larger'],
  ['private idle', 'MB the larger'],
  ['rss of 1,000 idle', 'MB added'],
  ['rss busy', 'MB the larger'],
  ['private busy', 'MB the larger'],
  ['rss after', 'MB the larger'],
  ['rss after 5,000', 'MB the larger'],
  ...reported('plain hop', 'us the one proxy'),
  ...[
    'h1 one processor',
    'h2 one processor',
    'h1 proxies one',
    'h2 proxies one',
    'h1 each pod one',
    'h2 each pod one',
  ].flatMap((row) => reported(row, 'us both proxies')),
  ...reported('h1 c=10', 'us both proxies'),
  ...reported('h1 c=1,000', 'us both proxies'),
  ...reported('1 B', 'us both proxies'),
  ...reported('1 KB', 'us both proxies'),
  ...reported('64 KB', 'us both proxies'),
  ...reported('grpc unary', 'us both proxies'),
  ...reported('grpc stream', 'us both proxies, 100 messages'),
  ['grpc stream failed', '% of calls'],
  ['websocket round trip', 'us'],
  ...reported('10 routes', 'us both proxies'),
  ...reported('retries', 'us both proxies'),
  ...reported('access log', 'us both proxies'),
  ...reported('all three', 'us both proxies'),
  ...reported('two workers', 'us both proxies'),
];

/** What is measured of a load without a line to cross. */
function reported(row: string, unit: string): readonly (readonly [row: string, unit: string])[] {
  return [
    [`${row} cpu`, unit],
    [`${row} rps`, '1/s'],
  ];
}

const PERCENT_OF = (part: number, whole: number): string => `${((part / whole) * 100).toFixed(0)} %`;

/** Weft needs at most this share of Envoy's, and for the goal no more than HAProxy's. */
function cost(name: string, value: (of: Lookup, subject: string) => number, shares: [number, number]): Line {
  const [floor, goal] = shares;
  return {
    name,
    reached: (of) =>
      `${PERCENT_OF(value(of, 'weft'), value(of, 'envoy'))} of Envoy's, ` +
      `${PERCENT_OF(value(of, 'weft'), value(of, 'haproxy'))} of HAProxy's`,
    floor: {
      says: `<= ${floor * 100} % of Envoy's`,
      met: (of) => value(of, 'weft') <= floor * value(of, 'envoy'),
    },
    goal: {
      says: `<= ${goal * 100} % of Envoy's and <= HAProxy's`,
      met: (of) =>
        value(of, 'weft') <= goal * value(of, 'envoy') && value(of, 'weft') <= value(of, 'haproxy'),
    },
  };
}

/** Weft gives at least this many times what Envoy gives. */
function gain(
  name: string,
  row: string,
  [floor, goal]: [number, number],
  also?: (of: Lookup) => boolean,
): Line {
  const times = (of: Lookup): number => of('weft', row) / of('envoy', row);
  return {
    name,
    reached: (of) => `${times(of).toFixed(2)}x Envoy`,
    floor: { says: `>= ${floor}x Envoy`, met: (of) => times(of) >= floor },
    goal: {
      says: `>= ${goal}x Envoy${also === undefined ? '' : ' at half the CPU'}`,
      met: (of) => times(of) >= goal && (also?.(of) ?? true),
    },
  };
}

function size(name: string, row: string, [floor, goal]: [number, number]): Line {
  return {
    name,
    reached: (of) => `${of('weft', row).toFixed(1)} MB`,
    floor: { says: `<= ${floor} MB`, met: (of) => of('weft', row) <= floor },
    goal: { says: `<= ${goal} MB`, met: (of) => of('weft', row) <= goal },
  };
}

const plain =
  (row: string) =>
  (of: Lookup, subject: string): number =>
    of(subject, row);
const added =
  (row: string) =>
  (of: Lookup, subject: string): number =>
    of(subject, row) - of('direct', row);

/** What of the whole list of floors and goals this benchmark measures so far. */
export const LINES: readonly Line[] = [
  cost('CPU per request, HTTP/1.1 c=64', plain('h1 c=64 cpu'), [0.5, 0.25]),
  cost('CPU per request, HTTP/2', plain('h2 cpu'), [0.5, 0.25]),
  gain('throughput, HTTP/1.1 c=64', 'h1 c=64 rps', [2, 3]),
  gain('throughput, HTTP/2', 'h2 rps', [2, 3]),
  cost('latency added at 1,000 rps, p50', added('1,000 rps p50'), [1, 0.5]),
  cost('latency added at 1,000 rps, p99', added('1,000 rps p99'), [1, 0.5]),
  size('VmRSS idle', 'rss idle', [8, 5]),
  size('VmRSS at 100 HTTP/1.1 + 10 HTTP/2 busy', 'rss busy', [10, 10]),
  size('VmRSS of 1,000 idle connections', 'rss of 1,000 idle', [15, 5]),
  gain(
    '100 MB body',
    '100 MB MB/s',
    [1, 1.5],
    (of) => of('weft', '100 MB cpu') <= of('envoy', '100 MB cpu') / 2,
  ),
  gain('opaque TCP, one stream', 'tcp MB/s', [1, 1.5]),
  {
    name: 'opaque TCP, 1-byte round trip',
    reached: (of) =>
      `${(of('envoy', 'tcp round trip') / of('weft', 'tcp round trip')).toFixed(2)}x as quick as Envoy`,
    floor: { says: ">= Envoy's", met: (of) => of('weft', 'tcp round trip') <= of('envoy', 'tcp round trip') },
    goal: {
      says: '>= 1.5x as quick',
      met: (of) => of('weft', 'tcp round trip') * 1.5 <= of('envoy', 'tcp round trip'),
    },
  },
  {
    name: 'new mTLS connections per CPU second',
    reached: (of) =>
      `${(of('envoy', 'new connections cpu') / of('weft', 'new connections cpu')).toFixed(2)}x Envoy's`,
    floor: {
      says: ">= Envoy's",
      met: (of) => of('weft', 'new connections cpu') <= of('envoy', 'new connections cpu'),
    },
    goal: {
      says: '>= 1.5x',
      met: (of) => of('weft', 'new connections cpu') * 1.5 <= of('envoy', 'new connections cpu'),
    },
  },
  {
    name: 'VmRSS a minute after 5,000 connections',
    reached: (of) => `${(of('weft', 'rss after 5,000') / of('weft', 'rss idle')).toFixed(2)}x idle`,
    floor: { says: '<= 2x idle', met: (of) => of('weft', 'rss after 5,000') <= 2 * of('weft', 'rss idle') },
    goal: {
      says: '<= 1.3x idle',
      met: (of) => of('weft', 'rss after 5,000') <= 1.3 * of('weft', 'rss idle'),
    },
  },
  {
    name: '1 to 2 workers and processors',
    reached: (of) => `${scaling(of).toFixed(2)}x`,
    floor: { says: '>= 1.6x', met: (of) => scaling(of) >= 1.6 },
    goal: { says: '>= 1.8x', met: (of) => scaling(of) >= 1.8 },
  },
  {
    name: 'start to ready after the certificate',
    reached: (of) => `${of('weft', 'certificate to ready').toFixed(0)} ms`,
    floor: { says: '<= 200 ms', met: (of) => of('weft', 'certificate to ready') <= 200 },
    goal: { says: '<= 50 ms', met: (of) => of('weft', 'certificate to ready') <= 50 },
  },
  size('stripped binary', 'binary', [20, 10]),
];

/**
 * Requests a second with two workers and two processors, of those with one and one. Client and server share the processors with
 * the proxies both times, since there are only two.
 */
function scaling(of: Lookup): number {
  return of('weft', 'two workers rps') / of('weft', 'h1 one processor rps');
}
