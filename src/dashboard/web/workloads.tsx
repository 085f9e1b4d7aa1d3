import type { VNode } from 'preact';
import { shortIdentity } from '../identity-name.js';
import type { NamespaceView, PodView } from '../mesh-view.js';
import { Chip } from './chip.js';
import { Section } from './section.js';

/** Meshed namespaces and what runs in them. */
export function Workloads({ namespaces }: { namespaces: readonly NamespaceView[] }): VNode {
  if (namespaces.length === 0) {
    return (
      <Section title="Workloads">
        <p class="empty">
          No namespace is in the mesh yet. <code>kubectl label namespace NAME weft.dev/inject=enabled</code>{' '}
          lets one join; then restart its workloads.
        </p>
      </Section>
    );
  }
  return (
    <>
      {namespaces.map((namespace) => (
        <Section key={namespace.name} title={`Workloads in ${namespace.name}`} note={noteOf(namespace)}>
          <PodTable namespace={namespace} />
        </Section>
      ))}
    </>
  );
}

function noteOf({ labelled, pods }: NamespaceView): string {
  const meshed = pods.filter(({ identity }) => identity !== '').length;
  const count = `${meshed} of ${pods.length} pods in the mesh`;
  return labelled ? count : `${count}; the namespace itself is not labelled`;
}

function PodTable({ namespace: { name, pods } }: { namespace: NamespaceView }): VNode {
  if (pods.length === 0) return <p class="empty">No pods.</p>;
  return (
    <div class="scroll">
      <table>
        <caption>Pods of namespace {name}</caption>
        <thead>
          <tr>
            <th scope="col">Pod</th>
            <th scope="col">Workload</th>
            <th scope="col">Identity</th>
            <th scope="col">Proxy</th>
            <th scope="col">Injection</th>
            <th scope="col">State</th>
          </tr>
        </thead>
        <tbody>
          {pods.map((pod) => (
            <PodRow key={pod.name} pod={pod} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function PodRow({ pod }: { pod: PodView }): VNode {
  return (
    <>
      <tr>
        <th scope="row" class="name" title={pod.name}>
          {pod.name}
        </th>
        <td>{pod.workload}</td>
        <td title={pod.identity}>
          {pod.identity === '' ? <span class="soft">–</span> : shortIdentity(pod.identity)}
        </td>
        <td>{pod.proxyVersion === '' ? <span class="soft">none</span> : pod.proxyVersion}</td>
        <td class="wrap">{pod.injection}</td>
        <td>
          <State pod={pod} />
        </td>
      </tr>
      {pod.scrapeError !== '' && (
        <tr class="why">
          <td colSpan={6}>
            The proxy’s metrics cannot be read, so its traffic is missing or out of date: {pod.scrapeError}
          </td>
        </tr>
      )}
    </>
  );
}

function State({ pod }: { pod: PodView }): VNode {
  if (pod.ready && pod.phase === 'Running') return <Chip tone="good">ready</Chip>;
  if (pod.phase === 'Succeeded') return <Chip tone="quiet">completed</Chip>;
  if (pod.phase === 'Running') return <Chip tone="warn">not ready</Chip>;
  return <Chip tone={pod.phase === 'Failed' ? 'bad' : 'warn'}>{pod.phase.toLowerCase()}</Chip>;
}
