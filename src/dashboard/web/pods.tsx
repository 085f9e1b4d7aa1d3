import type { VNode } from 'preact';
import { shortIdentity } from '../identity-name.js';
import type { PodView } from '../mesh-view.js';
import type { PodSignals } from '../pod-signals.js';
import { Chip, successTone } from './chip.js';
import { formatMs, formatPercent, formatRate, formatSpan } from './format.js';
import { NumberHead } from './number-head.js';
import { stateOf } from './pod-state.js';
import { usePolled } from './poll.js';

const EVERY_MS = 2_000;

/** The pods of a workload, with what each of their proxies counted since somebody looked. */
export function Pods({
  namespace,
  workload,
  pods,
}: {
  namespace: string;
  workload: string;
  pods: readonly PodView[];
}): VNode {
  const query = new URLSearchParams({ namespace, workload }).toString();
  const { value, error = '' } = usePolled<readonly PodSignals[]>(`/api/pods?${query}`, EVERY_MS);
  const signals = new Map((value ?? []).map((each) => [each.name, each]));
  return (
    <>
      <table>
        <caption>
          Pods of {workload} in {namespace}
        </caption>
        <thead>
          <tr>
            <th scope="col">Pod</th>
            <th scope="col">State</th>
            <th scope="col">Identity</th>
            <th scope="col">Proxy</th>
            <NumberHead>Per second</NumberHead>
            <NumberHead>Success</NumberHead>
            <NumberHead>p99</NumberHead>
            <th scope="col">Certificate</th>
            <th scope="col">Injection, failures</th>
          </tr>
        </thead>
        <tbody>
          {pods.map((pod) => (
            <PodLine key={pod.name} pod={pod} signals={signals.get(pod.name)} />
          ))}
        </tbody>
      </table>
      {error !== '' && <p class="empty">What each pod counts cannot be read: {error}</p>}
    </>
  );
}

function PodLine({ pod, signals }: { pod: PodView; signals: PodSignals | undefined }): VNode {
  const { tone, text } = stateOf(pod);
  return (
    <tr>
      <th scope="row" class="cut" title={pod.name}>
        {pod.name}
      </th>
      <td data-title="State">
        <Chip tone={tone}>{text}</Chip>
      </td>
      <td class="cut" data-title="Identity" title={pod.identity}>
        {pod.identity === '' ? <span class="soft">–</span> : shortIdentity(pod.identity)}
      </td>
      <td class="cut" data-title="Proxy" title={pod.proxyVersion}>
        {pod.proxyVersion === '' ? <span class="soft">none</span> : pod.proxyVersion}
      </td>
      <SignalCells signals={signals} />
      <CertificateCell ends={signals?.certificateEnds} />
      <td class={pod.lacksProxy ? 'wrap warn' : 'wrap'} data-title="Injection">
        {pod.injection}
        {(signals?.failures ?? []).slice(0, 3).map(({ code, perSecond }) => (
          <Chip tone="bad" key={code}>
            {code} × {formatRate(perSecond)}/s
          </Chip>
        ))}
        {signals !== undefined && signals.error !== '' && (
          <span class="soft">its proxy does not answer: {signals.error}</span>
        )}
      </td>
    </tr>
  );
}

/** Less than this is left of a certificate only where it could not be renewed. */
const SHORT_MS = 4 * 3_600_000;

function CertificateCell({ ends }: { ends: number | undefined }): VNode {
  if (ends === undefined) return <td class="soft">–</td>;
  const left = ends - Date.now();
  return (
    <td
      class={left < SHORT_MS ? 'warn' : ''}
      data-title="Certificate"
      title={`ends ${new Date(ends).toLocaleString()}; a proxy renews it between half and 70 % of its life`}
    >
      {left > 0 ? `${formatSpan(left)} left` : 'has ended'}
    </td>
  );
}

function SignalCells({ signals }: { signals: PodSignals | undefined }): VNode {
  const measured = signals !== undefined && signals.seconds > 0;
  return (
    <>
      <td class="number" data-title="Per second">
        {measured ? formatRate(signals.perSecond) : '–'}
      </td>
      <td class={`number ${successTone(measured ? signals.successRate : undefined)}`} data-title="Success">
        {formatPercent(measured ? signals.successRate : undefined)}
      </td>
      <td class="number" data-title="p99">
        {formatMs(measured ? signals.p99Ms : undefined)}
      </td>
    </>
  );
}
