import type { KubeClient, Pod } from '../../kube/index.js';
import { plural, type Page } from '../page.js';
import { askPods, silentText, type Asked } from '../pod-counts.js';

const FAMILY = /^weft_egress_total$/;
/** Proxies that are asked; what pods of one Deployment say is much the same. */
const MOST_PODS = 500;

/** What pods asked for outside the mesh. */
export interface EgressReport extends Asked {
  readonly calls: readonly EgressCall[];
}

/** What pods of one service account asked for. */
export interface EgressCall {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** As declared, where something declares it; `-` where none was named, `others` for those beyond what a proxy tells apart. */
  readonly host: string;
  readonly port: number;
  /** `<namespace>/<name>` of the ExternalService that lets it out. */
  readonly externalService?: string;
  readonly allowed: number;
  readonly refused: number;
  readonly wouldRefuse: number;
  /** Why, where it is refused or would be. */
  readonly reason?: string;
}

/** Asks the proxies of these pods. */
export async function egressReport(client: KubeClient, pods: readonly Pod[]): Promise<EgressReport> {
  const calls = new Map<string, EgressCall>();
  const family = { family: FAMILY, most: MOST_PODS };
  const asked = await askPods(client, pods, family, ({ metadata, serviceAccount }, samples) => {
    for (const { labels, value } of samples) {
      const caller = { namespace: metadata.namespace, serviceAccount };
      const call = counted(caller, labels, value);
      const key = JSON.stringify([caller, call.host, call.port, call.externalService, call.reason]);
      calls.set(key, joined(calls.get(key), call));
    }
  });
  return { calls: [...calls.values()].sort(byCount), ...asked };
}

function counted(
  caller: Pick<EgressCall, 'namespace' | 'serviceAccount'>,
  { service = '', host = '', port = '', verdict = '', reason = '' }: Readonly<Record<string, string>>,
  value: number,
): EgressCall {
  const of = (word: string): number => (verdict === word ? value : 0);
  return {
    ...caller,
    host,
    port: Number(port),
    ...(service === '' ? {} : { externalService: service }),
    allowed: of('allowed'),
    refused: of('refused'),
    wouldRefuse: of('would-refuse'),
    ...(reason === '' ? {} : { reason }),
  };
}

function joined(before: EgressCall | undefined, call: EgressCall): EgressCall {
  if (before === undefined) return call;
  return {
    ...call,
    allowed: before.allowed + call.allowed,
    refused: before.refused + call.refused,
    wouldRefuse: before.wouldRefuse + call.wouldRefuse,
  };
}

/** What is refused first, then what would be, then by how often. */
function byCount(a: EgressCall, b: EgressCall): number {
  const name = (call: EgressCall): string =>
    JSON.stringify([call.namespace, call.host, call.port, call.serviceAccount]);
  return (
    b.refused - a.refused ||
    b.wouldRefuse - a.wouldRefuse ||
    b.allowed - a.allowed ||
    (name(a) < name(b) ? -1 : 1)
  );
}

const HEAD = ['CALLER', 'HOST', 'PORT', 'DECLARED BY', 'ALLOWED', 'WOULD REFUSE', 'REFUSED', 'WHY'];

/** As text for people. */
export function renderEgress({ calls, asked, silent, leftOut }: EgressReport, page: Page): string {
  const rows = calls.map((call) => [
    `${call.namespace}/${call.serviceAccount}`,
    call.host,
    call.port === 0 ? '-' : String(call.port),
    call.externalService ?? '-',
    String(call.allowed),
    call.wouldRefuse === 0 ? '0' : page.caution(String(call.wouldRefuse)),
    call.refused === 0 ? '0' : page.bad(String(call.refused)),
    call.reason ?? '',
  ]);
  const none = `${plural(asked, 'proxy', 'proxies')} judged nothing that goes outside the mesh; with the outbound policy AllowAny nobody judges`;
  return [
    rows.length === 0 ? none : page.table(HEAD, rows),
    ...silentText(silent, page),
    ...(leftOut === 0
      ? []
      : [page.caution(`${plural(leftOut, 'more proxy', 'more proxies')} not asked; use -n`)]),
  ].join('\n');
}
