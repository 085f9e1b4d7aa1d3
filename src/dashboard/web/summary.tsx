import type { VNode } from 'preact';
import { isLive, type Edge } from '../edge.js';
import type { MeshView } from '../mesh-view.js';
import { successTone, type Tone } from './chip.js';
import { formatPercent, formatRate } from './format.js';

/** The numbers that say whether to read on. */
export function Summary({ view }: { view: MeshView }): VNode {
  const http = view.edges.filter(({ protocol }) => protocol === 'http');
  const rate = sum(http, () => 1);
  const known = http.filter(({ successRate }) => successRate !== undefined);
  const success = ratio(
    sum(known, ({ successRate }) => successRate ?? 0),
    sum(known, () => 1),
  );
  const live = view.edges.filter(isLive);
  const mutual = live.filter(({ tls }) => tls === 'mutual').length;
  const pods = view.namespaces.flatMap((namespace) => namespace.pods);
  const refused = view.edges.reduce((total, { denied }) => total + denied, 0);
  const meshed = pods.filter(({ identity }) => identity !== '');
  const ready = meshed.filter((pod) => pod.ready).length;
  const { controlPlane } = view;
  return (
    <dl class="summary">
      <Figure name="Requests" value={view.windowSeconds > 0 ? `${formatRate(rate)}/s` : 'not known'} />
      <Figure name="Success" value={formatPercent(success)} tone={successTone(success)} />
      <Figure
        name="Over mutual TLS"
        value={live.length === 0 ? '–' : `${mutual} of ${live.length} links`}
        tone={mutual === live.length ? 'good' : 'warn'}
      />
      <Figure
        name="Refused"
        value={`${refused} in ${view.windowSeconds.toFixed(0)} s`}
        tone={refused > 0 ? 'warn' : 'good'}
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
