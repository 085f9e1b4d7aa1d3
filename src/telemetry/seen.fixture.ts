import { HISTORY_MINUTES, type HistoryView } from './history.js';
import { COUNTS, Counted, LATENCIES } from './measures.js';
import type { TrafficEdge, TrafficView } from './view.js';

export const idOf = (name: string, namespace = 'shop'): string =>
  `spiffe://cluster.local/ns/${namespace}/sa/${name}`;

type Counts = Partial<Record<keyof typeof Counted, number>>;

/** An edge as tests say it: only what differs. */
export interface Said extends Partial<Omit<TrafficEdge, 'counts' | 'latencies' | 'reporter'>> {
  /** The Deployment that reports, of the namespace `shop` unless said otherwise. */
  readonly by: string;
  readonly as?: string;
  readonly namespace?: string;
  readonly counts?: Counts;
  /** Number of the bucket that all are in, and how many. */
  readonly took?: readonly [cell: number, count: number];
}

/** What a replica tells of an edge. */
export function saidEdge({ by, as = by, namespace = 'shop', counts, took, ...rest }: Said): TrafficEdge {
  const cells = new Array<number>(LATENCIES).fill(0);
  if (took !== undefined) cells[took[0]] = took[1];
  return {
    reporter: { namespace, kind: 'Deployment', name: by, identity: idOf(as, namespace) },
    direction: 'outbound',
    service: `${namespace}/reviews`,
    port: '8080',
    backend: '',
    route: '',
    peer: '',
    tls: '',
    rule: '',
    ...(counts === undefined ? {} : { counts: countsOf(counts) }),
    ...(took === undefined ? {} : { latencies: cells }),
    open: 0,
    ...rest,
  };
}

function countsOf(counts: Counts): number[] {
  const row = new Array<number>(COUNTS).fill(0);
  for (const [name, count] of Object.entries(counts))
    if (name in Counted) row[Counted[name as keyof typeof Counted]] = count;
  return row;
}

/** The answer of a replica about the last ten seconds. */
export function saidTraffic(edges: readonly TrafficEdge[], proxies = 6): TrafficView {
  return { coversMs: 10_000, proxies, edges: [...edges] };
}

/** The answer of a replica about the last minutes: each edge's ten seconds, six times a minute, by how much of it there was in each. */
export function saidHistory(
  edges: readonly TrafficEdge[],
  share: (edge: TrafficEdge, minute: number) => number = () => 1,
): HistoryView {
  return {
    endedMs: 20_000,
    coversMs: 40 * 60_000,
    edges: edges.flatMap(({ counts, latencies: _, open: __, ...name }) => {
      const edge = { ...name, open: 0 };
      const columns = (counts ?? []).flatMap((count, place) =>
        count === 0
          ? []
          : [
              {
                place,
                minutes: Array.from({ length: HISTORY_MINUTES }, (_, minute) =>
                  Math.round(count * 6 * share(edge, minute)),
                ),
              },
            ],
      );
      return columns.length === 0 ? [] : [{ ...name, columns }];
    }),
  };
}
