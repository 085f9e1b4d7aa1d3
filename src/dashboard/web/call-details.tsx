import type { VNode } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { isLive, type Edge } from '../edge.js';
import type { HistoryView } from '../history-view.js';
import { shortIdentity } from '../identity-name.js';
import type { MeshView } from '../mesh-view.js';
import { actsOn, suspectsOf, traceOf, troubleSince, type Suspect } from '../suspects.js';
import { troublesOf } from './call-troubles.js';
import { ChangeWords, Gaps, changeKey, useChanges } from './changes.js';
import { Chip } from './chip.js';
import { Policies } from './policies.js';
import { Pods } from './pods.js';
import { Section } from './section.js';
import { SplitTable } from './split-table.js';
import { Timeline } from './timeline.js';

/** So many workloads behind a Service have their pods shown. */
const FEW_WORKLOADS = 4;

/** Why a call is as it is: its half hour, what was changed in it, its routes, policies and pods. */
export function CallDetails({
  edge,
  view,
  history,
  onClose,
}: {
  edge: Edge;
  view: MeshView;
  history: HistoryView | undefined;
  onClose: () => void;
}): VNode {
  const name = `${shortIdentity(edge.caller) || 'no identity'} → ${edge.service || 'no Service'}`;
  const workloads = serving(view, edge);
  const splits = view.splits.filter(({ destination }) => destination.replace(/:\w+$/, '') === edge.service);
  const policies = view.policies.filter((policy) => actsOn(policy, edge));
  const self = useRef<HTMLDivElement>(null);
  // It stands below a table that may be long: whoever opens it is led there, with keyboard and screen reader, too.
  useEffect(() => self.current?.focus(), [edge.key]);
  return (
    <div class="details" ref={self} tabIndex={-1} role="group" aria-label={`Details of ${name}`}>
      <Section title={name}>
        <p class="bar">
          {troublesOf(edge).map(({ tone, text }) => (
            <Chip tone={tone} key={text}>
              {text}
            </Chip>
          ))}
          {troublesOf(edge).length === 0 && (
            <Chip tone={isLive(edge) ? 'good' : 'quiet'}>
              {isLive(edge) ? 'nothing is wrong now' : 'quiet now'}
            </Chip>
          )}
          <button type="button" class="close" onClick={onClose}>
            Close
          </button>
        </p>
        {history === undefined ? (
          <p class="empty">The last half hour is not known.</p>
        ) : (
          <Cause edge={edge} view={view} history={history} name={name} workloads={workloads} />
        )}
      </Section>
      {splits.length > 0 && (
        <Section title={`Routes of ${edge.service}`}>
          <SplitTable splits={splits} />
        </Section>
      )}
      {policies.length > 0 && <Policies policies={policies} exist />}
      {workloads.slice(0, FEW_WORKLOADS).map(({ namespace, workload, pods }) => (
        <Section title={`Pods of ${workload}`} key={`${namespace}/${workload}`}>
          <div class="scroll">
            <Pods namespace={namespace} workload={workload} pods={pods} />
          </div>
        </Section>
      ))}
    </div>
  );
}

interface Serving {
  readonly namespace: string;
  readonly workload: string;
  readonly pods: MeshView['namespaces'][number]['pods'];
}

/** Workloads with the identities that answer, in the namespace of the Service. */
function serving(view: MeshView, { service, servers }: Edge): readonly Serving[] {
  const [namespace = ''] = service.split('/');
  const pods = view.namespaces.find(({ name }) => name === namespace)?.pods ?? [];
  const answering = pods.filter(({ identity }) => servers.includes(identity));
  return [...Map.groupBy(answering, ({ workload }) => workload)].map(([workload, own]) => ({
    namespace,
    workload,
    pods: own,
  }));
}

function Cause({
  edge,
  view,
  history,
  name,
  workloads,
}: {
  edge: Edge;
  view: MeshView;
  history: HistoryView;
  name: string;
  workloads: readonly Serving[];
}): VNode {
  const { value, error = '' } = useChanges();
  const trace = traceOf(history, edge);
  const since = troubleSince(trace, history.endedAt);
  const deployments = workloads.flatMap(({ namespace, workload }) =>
    workload.startsWith('Deployment/') ? [`${namespace}/${workload.slice('Deployment/'.length)}`] : [],
  );
  const suspects = suspectsOf(value?.changes ?? [], { edge, policies: view.policies, deployments }, since);
  const marks = suspects.map(({ at, suspected }, index) => ({
    at: Date.parse(at),
    label: String(index + 1),
    strong: suspected,
  }));
  return (
    <>
      <Timeline trace={trace} history={history} marks={marks} what={name} />
      {since !== undefined && <p class="note">The trouble began at about {clock(since)}.</p>}
      {error !== '' && <p class="note">What was changed cannot be read: {error}</p>}
      {suspects.length === 0 && error === '' && (
        <p class="note">As far as the cluster remembers nothing was changed here in the last half hour.</p>
      )}
      <ol class="changes numbered">
        {suspects.map((suspect) => (
          <SuspectLine key={changeKey(suspect)} suspect={suspect} />
        ))}
      </ol>
      <Gaps gaps={value?.gaps ?? []} />
    </>
  );
}

function SuspectLine({ suspect }: { suspect: Suspect }): VNode {
  return (
    <li class={suspect.near ? 'near' : ''}>
      <ChangeWords change={suspect} />{' '}
      {suspect.suspected && <Chip tone="bad">just when the trouble began: look here first</Chip>}
    </li>
  );
}

function clock(at: number): string {
  return new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}
