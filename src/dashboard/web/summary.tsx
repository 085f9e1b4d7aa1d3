import type { VNode } from 'preact';
import type { Edge } from '../edges.js';
import type { MeshView } from '../mesh-view.js';
import { successTone, type Tone } from './chip.js';
import { formatPercent, formatRate } from './format.js';

/** The four numbers that say whether to read on. */
export function Summary({ view }: { view: MeshView }): VNode {
  const http = view.edges.filter(({ protocol }) => protocol === 'http');
  const rate = sum(http, () => 1);
  const known = http.filter(({ successRate }) => successRate !== undefined);
  const success = ratio(
    sum(known, ({ successRate }) => successRate ?? 0),
    sum(known, () => 1),
  );
  const mutual = ratio(
    sum(http, ({ tls }) => (tls === 'mutual' ? 1 : 0)),
    rate,
  );
  const pods = view.namespaces.flatMap((namespace) => namespace.pods);
  const meshed = pods.filter(({ identity }) => identity !== '');
  const ready = meshed.filter((pod) => pod.ready).length;
  const { controlPlane } = view;
  return (
    <dl class="summary">
      <Figure name="Requests" value={view.windowSeconds > 0 ? `${formatRate(rate)}/s` : 'measuring …'} />
      <Figure name="Success" value={formatPercent(success)} tone={successTone(success)} />
      <Figure
        name="Over mutual TLS"
        value={formatPercent(mutual)}
        tone={mutual === undefined ? 'quiet' : mutual === 1 ? 'good' : 'warn'}
      />
      <Figure
        name="Meshed pods ready"
        value={`${ready} of ${meshed.length}`}
        tone={ready === meshed.length ? 'good' : 'warn'}
      />
      <Figure
        name="Control plane ready"
        value={`${controlPlane.ready} of ${controlPlane.pods}`}
        tone={controlPlane.ready > 0 ? 'good' : 'bad'}
      />
    </dl>
  );
}

function Figure({ name, value, tone = 'quiet' }: { name: string; value: string; tone?: Tone }): VNode {
  return (
    <div class={`figure ${tone}`}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function sum(edges: readonly Edge[], weigh: (edge: Edge) => number): number {
  return edges.reduce((total, edge) => total + edge.perSecond * weigh(edge), 0);
}

function ratio(part: number, whole: number): number | undefined {
  return whole > 0 ? part / whole : undefined;
}
