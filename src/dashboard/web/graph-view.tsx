import type { VNode } from 'preact';
import { useMemo } from 'preact/hooks';
import { readableGraph, type GraphLink, type GraphNode } from '../graph.js';
import { BOX, layoutOf, type Curve, type Point } from '../layout.js';
import { isLive, type Edge, type EdgeTls } from '../edge.js';
import { successTone, tlsText } from './chip.js';
import { formatPercent, formatRate, shorten } from './format.js';

/** The picture of who calls whom. The table beside it says the same in words. */
export function GraphView({
  edges,
  chosen,
  onChoose,
}: {
  edges: readonly Edge[];
  /** Key of the edge whose details are shown; empty: none. */
  chosen: string;
  onChoose: (edge: string) => void;
}): VNode {
  const graph = useMemo(() => readableGraph(edges), [edges]);
  // Laid out anew only when boxes or arrows change, not with every rate.
  const shape = JSON.stringify([
    graph.nodes.map(({ id }) => id),
    graph.links.map(({ from, to }) => [from, to]),
  ]);
  const layout = useMemo(
    () =>
      layoutOf(
        graph.nodes.map(({ id }) => id),
        graph.links,
      ),
    [shape],
  );
  const fastest = Math.max(1, ...graph.links.map(rateOf));
  return (
    <div class="graph" tabIndex={0} role="group" aria-label="Service graph, scrolls">
      <svg
        width={layout.width}
        height={layout.height}
        viewBox={`0 0 ${layout.width} ${layout.height}`}
        style={{ minWidth: `${layout.width * 0.75}px` }}
        role="img"
        aria-label={`Service graph: ${graph.nodes.length} services and callers, ${graph.links.length} links. The table below says the same.`}
      >
        <Arrowheads />
        {graph.links.map((link, index) => (
          <Link
            key={`${link.from} ${link.to}`}
            link={link}
            curve={layout.curves[index]}
            fastest={fastest}
            chosen={link.edges.some(({ key }) => key === chosen)}
          />
        ))}
        {graph.nodes.map((node) => (
          <Box key={node.id} node={node} at={layout.boxes.get(node.id)} />
        ))}
        {graph.links.map((link, index) => (
          <Words
            key={`${link.from} ${link.to}`}
            link={link}
            at={layout.curves[index]?.label}
            onChoose={onChoose}
          />
        ))}
      </svg>
    </div>
  );
}

const HEADS: readonly (EdgeTls | 'refused')[] = ['mutual', 'backend', 'none', 'mixed', 'unknown', 'refused'];

function Arrowheads(): VNode {
  return (
    <defs>
      {HEADS.map((tls) => (
        <marker
          id={`head-${tls}`}
          viewBox="0 0 8 8"
          refX="7"
          refY="4"
          markerWidth="10"
          markerHeight="10"
          markerUnits="userSpaceOnUse"
          orient="auto"
        >
          <path d="M0,0.5L8,4L0,7.5Z" class={`head ${tls}`} />
        </marker>
      ))}
    </defs>
  );
}

function Link({
  link,
  curve,
  fastest,
  chosen,
}: {
  link: GraphLink;
  curve: Curve | undefined;
  fastest: number;
  chosen: boolean;
}): VNode | null {
  if (curve === undefined) return null;
  const tls = tlsOf(link);
  const rate = rateOf(link);
  const width = 1.4 + 2.2 * (Math.log1p(rate) / Math.log1p(fastest));
  return (
    <path
      class={`link ${tls}${link.edges.some(isLive) ? '' : ' idle'}${isRefused(link) ? ' refused' : ''}${chosen ? ' chosen' : ''}`}
      d={curve.path}
      stroke-width={width.toFixed(2)}
      marker-end={`url(#head-${isRefused(link) ? 'refused' : tls})`}
    >
      <title>{`${tlsText(tls)}, ${amountOf(link)}${refusedText(link)}`}</title>
    </path>
  );
}

/** The worst of a link's edges; whoever presses wants to know about that. */
function worstOf({ edges }: GraphLink): string {
  const [worst] = edges.toSorted(
    (a, b) => b.denied - a.denied || (a.successRate ?? 1) - (b.successRate ?? 1) || b.perSecond - a.perSecond,
  );
  return worst?.key ?? '';
}

/** A pointer opens the details here; the keyboard does in the table, which says the same. */
function Words({
  link,
  at,
  onChoose,
}: {
  link: GraphLink;
  at: Point | undefined;
  onChoose: (edge: string) => void;
}): VNode | null {
  if (at === undefined) return null;
  const success = successOf(link);
  const rate = amountOf(link);
  const tone = successTone(success);
  const refused = link.edges.some(({ denied }) => denied > 0);
  const bad = tone === 'warn' || tone === 'bad' || refused;
  const text = refused
    ? `${rateOf(link) > 0 ? `${rate} · ` : ''}refused`
    : bad
      ? `${rate} · ${formatPercent(success)}`
      : rate;
  const width = 16 + text.length * 6.4;
  return (
    <g
      onClick={() => onChoose(worstOf(link))}
      class={`words ${refused ? 'bad' : bad ? tone : ''}`}
      transform={`translate(${at.x.toFixed(1)},${at.y.toFixed(1)})`}
    >
      <rect x={-width / 2} y={-10} width={width} height={20} rx={10} />
      <text text-anchor="middle" y={4}>
        {text}
      </text>
    </g>
  );
}

function Box({ node, at }: { node: GraphNode; at: Point | undefined }): VNode | null {
  if (at === undefined) return null;
  const middle = node.namespace === '' ? BOX.height / 2 + 5 : 25;
  return (
    <g class={`box ${node.kind}`} transform={`translate(${at.x},${at.y})`}>
      <title>{describe(node)}</title>
      <rect
        width={BOX.width}
        height={BOX.height}
        rx={node.kind === 'service' || node.kind === 'namespace' ? 8 : BOX.height / 2}
      />
      <text class="name" x={BOX.width / 2} y={middle} text-anchor="middle">
        {shorten(node.title, 17)}
      </text>
      {node.namespace !== '' && (
        <text class="where" x={BOX.width / 2} y={43} text-anchor="middle">
          {shorten(subtitle(node), 26)}
        </text>
      )}
    </g>
  );
}

function subtitle({ kind, namespace, serviceAccount, title }: GraphNode): string {
  if (kind !== 'service' || serviceAccount === undefined || serviceAccount === title) return namespace;
  return `${namespace} · as ${serviceAccount}`;
}

function describe({ kind, title, namespace, serviceAccount }: GraphNode): string {
  if (kind === 'outside') return 'Who proved no identity, and what is beyond the mesh';
  if (kind === 'namespace') return `Namespace ${title}`;
  const runs = serviceAccount === undefined ? '' : `, service account ${serviceAccount}`;
  return `${kind === 'service' ? 'Service' : 'Caller'} ${title} in ${namespace}${runs}`;
}

/** Requests where there are any; else opaque connections, which mostly stay open. */
function amountOf(link: GraphLink): string {
  const open = link.edges.reduce((sum, { openConnections }) => sum + openConnections, 0);
  const requests = link.edges.filter(({ protocol }) => protocol === 'http');
  const rate = requests.reduce((sum, { perSecond }) => sum + perSecond, 0);
  if (rate === 0 && open > 0) return `${open} open`;
  return requests.length > 0 ? `${formatRate(rate)}/s` : `${formatRate(rateOf(link))} conn./s`;
}

/** Nothing gets through. */
function isRefused(link: GraphLink): boolean {
  return rateOf(link) === 0 && link.edges.some(({ denied }) => denied > 0);
}

function refusedText({ edges }: GraphLink): string {
  const denied = edges.reduce((sum, edge) => sum + edge.denied, 0);
  return denied === 0 ? '' : `, ${denied} refused`;
}

function rateOf({ edges }: GraphLink): number {
  return edges.reduce((sum, edge) => sum + edge.perSecond, 0);
}

function successOf({ edges }: GraphLink): number | undefined {
  const told = edges.filter(({ successRate }) => successRate !== undefined);
  const all = told.reduce((sum, edge) => sum + edge.perSecond, 0);
  if (all === 0) return undefined;
  return told.reduce((sum, edge) => sum + edge.perSecond * (edge.successRate ?? 0), 0) / all;
}

function tlsOf({ edges }: GraphLink): EdgeTls {
  const [first, ...others] = new Set(edges.map(({ tls }) => tls));
  return others.length > 0 ? 'mixed' : (first ?? 'unknown');
}
