import { parseSpiffeId } from '../identity/index.js';
import { Direction, Tls } from '../wire/gen/weft/telemetry/v1/telemetry_pb.js';
import type { EdgeName, EdgeTls, Reporter } from './edge.js';
import type { RawEdge } from './read-report.js';

/** As destination of what a proxy counts together, because it has more edges than a stream names. */
export const OTHERS = 'others';

const LONGEST_RULE = 320;
/** With the labels that its pods have. */
const LONGEST_BACKEND = 600;
/** `<namespace>/<name>`, then a port and what a backend adds. */
const SERVICE = /^([a-z0-9-]{1,63}\/[a-z0-9.-]{1,253})(?::(\w{1,15}))?(?:\{.{0,1000}\})?$/;
/** Names of objects, routes among them; nothing that moves a cursor or turns text around. */
const RULE = /^[^\p{Cc}\p{Bidi_Control}]*$/u;

const TLS: Readonly<Record<number, EdgeTls>> = {
  [Tls.UNSPECIFIED]: '',
  [Tls.MUTUAL]: 'mutual',
  [Tls.BACKEND]: 'backend',
  [Tls.NONE]: 'none',
};

/**
 * What is left of a proxy's edge once it is read with suspicion: names have the form of names and are short, identities are
 * identities. Undefined: nothing. That it speaks for `reporter` is proven; the rest is its word.
 */
export function believedEdge(reporter: Reporter, raw: RawEdge): EdgeName | undefined {
  const tls = TLS[raw.tls];
  const direction = directionOf(raw.direction);
  if (tls === undefined || direction === undefined) return undefined;
  if (raw.peer !== '' && (raw.peer.length > 700 || parseSpiffeId(raw.peer) === undefined)) return undefined;
  for (const text of [raw.route, raw.rule]) {
    if (text.length > LONGEST_RULE || !RULE.test(text)) return undefined;
  }
  const { service, port } = placeOf(raw.destination);
  const backend = isBackend(raw.backend) ? raw.backend : '';
  return {
    reporter,
    direction,
    service,
    port,
    backend,
    route: raw.route,
    peer: raw.peer,
    tls,
    rule: raw.rule,
  };
}

function isBackend(text: string): boolean {
  return text.length <= LONGEST_BACKEND && RULE.test(text) && SERVICE.test(text);
}

/** What is no Service has no name here: addresses and hosts would be as many as somebody likes. */
function placeOf(destination: string): { readonly service: string; readonly port: string } {
  if (destination.length > 2_000) return { service: '', port: '' };
  const [, service = '', port = ''] = SERVICE.exec(destination) ?? [];
  return { service, port };
}

function directionOf(direction: number): EdgeName['direction'] | undefined {
  if (direction === (Direction.OUTBOUND as number)) return 'outbound';
  return direction === (Direction.INBOUND as number) ? 'inbound' : undefined;
}
