import { names } from '../../base/index.js';
import { proxyAbsence } from '../../controller/index.js';
import { Resources } from '../../kube/index.js';
import { declaredProtocol } from '../../model/index.js';
import {
  hasLabels,
  isControlPlane,
  labelsOf,
  namespaceNamed,
  ofKind,
  type Known,
  type KnownPod,
} from './known.js';
import { rows, type Place } from './row.js';

/** What keeps pods and namespaces from being in the mesh as their authors think. */
export const POD_ROWS = rows([
  {
    code: 'WEFT601',
    severity: 'error',
    title: 'Pod that the webhook refuses',
    meaning: 'An annotation of the pod cannot be meant, so that no pod is created.',
    remedy: 'Correct the annotation; docs/injection.md says what each takes.',
    find: eachPod(({ refusal }) => (refusal === undefined ? [] : [['metadata.annotations', refusal]])),
  },
  {
    code: 'WEFT602',
    severity: 'warning',
    title: "Pod on its node's network",
    meaning:
      'A pod with hostNetwork gets no proxy, because capturing would take the traffic of its whole node. Its calls are in plain text and have no name.',
    remedy: 'Leave hostNetwork out, or expect that bindings and mode Strict refuse it.',
    find: skipped('HostNetwork', 'spec.hostNetwork'),
  },
  {
    code: 'WEFT603',
    severity: 'warning',
    title: "Container that runs as the proxy's user",
    meaning: 'Traffic of user 2112 is never captured, so the webhook gives the pod no proxy.',
    remedy: 'Run the container as another user.',
    find: skipped('UserTaken', 'spec'),
  },
  {
    code: 'WEFT604',
    severity: 'warning',
    title: 'Container on a port of the proxy',
    meaning:
      'A container listens on one of the ports that the proxy needs, so the webhook gives the pod no proxy.',
    remedy: 'Use another port.',
    find: skipped('PortTaken', 'spec.containers'),
  },
  {
    code: 'WEFT605',
    severity: 'warning',
    title: 'Name that is reserved for the mesh',
    meaning: 'A container or volume has a name that the webhook needs, so the pod gets no proxy.',
    remedy: 'Rename it. Where it is the output of weft inject, label the pod weft.dev/inject=disabled.',
    find: skipped('NameTaken', 'spec'),
  },
  {
    code: 'WEFT606',
    severity: 'warning',
    title: 'Pod of another mesh',
    meaning:
      'A container of Istio or Linkerd already captures the traffic of the pod, so that it gets no proxy.',
    remedy: 'Take the pod out of one of the two meshes.',
    find: skipped('AnotherMesh', 'spec.containers'),
  },
  {
    code: 'WEFT607',
    severity: 'warning',
    title: 'Pod that does not run on Linux',
    meaning: 'The proxy runs on Linux only, so that the pod gets none.',
    remedy: 'Label its template weft.dev/inject=disabled, so that nobody expects a proxy.',
    find: skipped('NotLinux', 'spec.os'),
  },
  {
    code: 'WEFT608',
    severity: 'warning',
    title: 'Proxy that may not find the control plane',
    meaning:
      "With dnsPolicy None or Default the pod's own name servers are asked for the control plane. Where they do not know it, the pod does not start.",
    remedy: "Name the cluster's name servers in dnsConfig, or use dnsPolicy ClusterFirst.",
    find: eachPod(({ warnings }) =>
      warnings.filter((text) => text.startsWith('dnsPolicy')).map((text) => ['spec.dnsPolicy', text]),
    ),
  },
  {
    code: 'WEFT609',
    severity: 'warning',
    title: 'Pod without the proxy that it should have',
    meaning:
      'The pod is older than the label of its namespace, or was created while the webhook was not in place. It is not in the mesh.',
    remedy: 'Recreate it: kubectl rollout restart. Or opt out with the label weft.dev/inject=disabled.',
    find: (known) =>
      known.live
        ? absences(
            known,
            'missing',
            'should have a proxy and has none; recreate it, or label it weft.dev/inject=disabled',
          )
        : [],
  },
  {
    code: 'WEFT610',
    severity: 'error',
    title: "Container with the proxy's name that is not the proxy",
    meaning:
      'The pod has a container weft-proxy that the webhook did not write, so it is not counted as meshed and callers fail.',
    remedy: 'Remove the containers weft-proxy and weft-init from the template; the webhook adds them.',
    find: (known) =>
      known.live
        ? absences(
            known,
            'forged',
            `has a container ${names.PROXY_CONTAINER} that Weft did not add; remove it from the template`,
          )
        : [],
  },
  {
    code: 'WEFT611',
    severity: 'warning',
    title: 'Annotation that was changed after the pod was created',
    meaning:
      'What a proxy captures is decided when its pod is created. The annotation says something else by now, and does nothing.',
    remedy: 'Recreate the pod: kubectl rollout restart.',
    find: (known) => (known.live ? known.pods.flatMap((pod) => changedSince(known, pod)) : []),
  },
  {
    code: 'WEFT612',
    severity: 'error',
    title: 'Namespace of a revision that is not there',
    meaning:
      'The label weft.dev/rev names a control plane that does not exist: no webhook answers for the pods, and no proxy enforces the policies.',
    remedy: 'Install that revision, or name one that is there.',
    find: (known) =>
      known.revisions === undefined || known.revisions.length === 0
        ? []
        : joinedNamespaces(known).flatMap((object) => {
            const wanted = labelsOf(object)[names.Label.rev] ?? 'default';
            return known.revisions?.includes(wanted) === true
              ? []
              : [
                  {
                    object,
                    path: 'metadata.labels',
                    message: `there is no control plane of revision ${wanted}; there is ${known.revisions?.join(', ') ?? ''}; set ${names.Label.rev} to one of them`,
                  },
                ];
          }),
  },
  {
    code: 'WEFT613',
    severity: 'warning',
    title: 'Pods of two revisions',
    meaning:
      'The proxy of the pod belongs to another revision than its namespace names by now; a change of policies is judged by one of the two, and reaches the pod from the other.',
    remedy: 'Recreate the pod, so that it moves to the revision of its namespace.',
    find: (known) => (known.live ? known.pods.flatMap((pod) => otherRevision(known, pod)) : []),
  },
  {
    code: 'WEFT614',
    severity: 'warning',
    title: 'Revision on a pod',
    meaning: 'The label weft.dev/rev counts on namespaces only; on a pod it does nothing.',
    remedy: 'Put it on the namespace.',
    // What the webhook injects it labels itself, so that scrapers tell revisions apart.
    find: eachPod(({ labels, annotations }) =>
      labels[names.Label.rev] === undefined || annotations[names.Annotation.injection] === 'injected'
        ? []
        : [['metadata.labels', `${names.Label.rev} counts on namespaces only; put it there`]],
    ),
  },
  {
    code: 'WEFT615',
    severity: 'error',
    title: 'Namespace whose pod security refuses the proxy',
    meaning:
      'The standards baseline and restricted forbid NET_ADMIN, which the init container needs to capture traffic: no pod is created. With the CNI plugin no pod needs it.',
    remedy:
      'Install the CNI plugin (docs/cni.md), let the namespace enforce privileged, or take it out of the mesh.',
    find: (known) =>
      joinedNamespaces(known).flatMap((object) => {
        if (known.isCapturedByNode === true) return [];
        const standard = labelsOf(object)['pod-security.kubernetes.io/enforce'];
        return standard !== 'baseline' && standard !== 'restricted'
          ? []
          : [
              {
                object,
                path: 'metadata.labels',
                message: `enforces the pod security standard ${standard}, which refuses the init container (NET_ADMIN); install the CNI plugin, or let it enforce privileged`,
              },
            ];
      }),
  },
  {
    code: 'WEFT616',
    severity: 'warning',
    title: 'Port that bypasses the rules about it',
    meaning:
      'weft.dev/skip-inbound-ports leaves the port to the application: no mutual TLS, no binding, no limit holds there, for nobody.',
    remedy: 'Remove the port from the annotation, or protect it otherwise.',
    find: (known) => known.pods.flatMap((pod) => bypassing(known, pod)),
  },
  {
    code: 'WEFT617',
    severity: 'warning',
    title: 'Port of bytes that its Service declares as HTTP',
    meaning:
      'weft.dev/opaque-ports comes first: requests to the port are carried unread, without routes, retries, rules about requests and request metrics.',
    remedy: 'Remove the port from the annotation, or declare it as tcp in the Service, too.',
    find: (known) => known.pods.flatMap((pod) => opaqueHttp(known, pod)),
  },
]);

type InPod = (pod: KnownPod) => readonly (readonly [field: string, message: string])[];

/** Pods of one workload have the same mistake: it is told once. */
function eachPod(look: InPod): (known: Known) => readonly Place[] {
  return (known) =>
    toldOnce(
      known.pods
        .filter(({ labels }) => !isControlPlane(labels))
        .flatMap((pod) => look(pod).map(([field, message]) => ({ pod, field, message }))),
    );
}

interface OfPod {
  readonly pod: KnownPod;
  readonly field: string;
  readonly message: string;
}

function toldOnce(found: readonly OfPod[]): readonly Place[] {
  const same = Map.groupBy(
    found,
    ({ pod, field, message }) => `${pod.object.namespace} ${ownerOf(pod)} ${field} ${message}`,
  );
  return [...same.values()].flatMap(([first, ...more]) => {
    if (first === undefined) return [];
    const { pod, field, message } = first;
    const path = pod.path === '' ? field : `${pod.path}.${field}`;
    return [
      {
        object: pod.object,
        path,
        message: more.length === 0 ? message : `${message} (and ${more.length} more of ${ownerOf(pod)})`,
      },
    ];
  });
}

function ownerOf({ object }: KnownPod): string {
  const [owner] = object.raw.metadata?.ownerReferences ?? [];
  return object.kind !== 'Pod' || owner === undefined ? object.title : `${owner.kind} ${owner.name}`;
}

/** A decision of the webhook, as it wrote it on the pod. */
function skipped(code: string, field: string): (known: Known) => readonly Place[] {
  return eachPod(({ decision }) => {
    const reasons = decision.replace(/^skipped: /, '').split('; ');
    const found = reasons.find((reason) => reason.startsWith(`${code}: `));
    return found === undefined ? [] : [[field, `gets no proxy: ${found.slice(code.length + 2)}`]];
  });
}

function absences(known: Known, wanted: 'missing' | 'forged', message: string): readonly Place[] {
  return toldOnce(
    known.pods.flatMap((pod) => {
      const namespace = namespaceNamed(known, pod.object.namespace);
      const labels = namespace === undefined ? {} : labelsOf(namespace);
      const revision = labels[names.Label.rev] ?? 'default';
      const absence = proxyAbsence(Resources.pod.keep(pod.object.raw), labels, revision);
      return absence?.kind === wanted ? [{ pod, field: '', message }] : [];
    }),
  );
}

function joinedNamespaces(known: Known): ReturnType<typeof ofKind> {
  return ofKind(known, 'Namespace', '').filter(
    (object) => labelsOf(object)[names.Label.inject] === 'enabled',
  );
}

/** The webhook wrote into the pod's spec what its annotations said then. */
function changedSince(known: Known, pod: KnownPod): readonly Place[] {
  const workload = known.mesh.workloads.get(pod.uid);
  if (!pod.meshed || workload === undefined) return [];
  const { skipInboundPorts, opaquePorts } = names.Annotation;
  return [
    [skipInboundPorts, workload.skipInboundPorts] as const,
    [opaquePorts, workload.opaquePorts] as const,
  ].flatMap(([annotation, created]) => {
    const now = portsIn(pod.annotations[annotation]);
    const same = now.length === created.length && now.every((port) => created.includes(port));
    const before = created.length === 0 ? 'none' : created.join(',');
    return same
      ? []
      : [
          {
            object: pod.object,
            path: 'metadata.annotations',
            message: `${annotation} names other ports than when the pod was created (${before}), and does nothing by now; recreate the pod`,
          },
        ];
  });
}

function portsIn(text = ''): readonly number[] {
  return [...new Set(text.split(',').map((item) => Number(item.trim())))].filter((port) => port > 0);
}

interface LoosePodSpec {
  readonly initContainers?: readonly LooseContainer[];
  readonly containers?: readonly LooseContainer[];
}

interface LooseContainer {
  readonly name?: string;
  readonly env?: readonly { readonly name?: string; readonly value?: string }[];
}

/** The proxy is told the name of its control plane. */
function controlPlaneOf({ spec }: KnownPod): string | undefined {
  const { initContainers = [], containers = [] } = (spec ?? {}) as LoosePodSpec;
  const proxy = [...initContainers, ...containers].find(({ name }) => name === names.PROXY_CONTAINER);
  return proxy?.env?.find(({ name }) => name === 'WEFT_CONTROL_PLANE_HOST')?.value;
}

function otherRevision(known: Known, pod: KnownPod): readonly Place[] {
  const host = controlPlaneOf(pod);
  const namespace = namespaceNamed(known, pod.object.namespace);
  if (host === undefined || namespace === undefined) return [];
  const wanted = labelsOf(namespace)[names.Label.rev] ?? 'default';
  if (host.startsWith(`${names.revisionName(wanted)}.`)) return [];
  return [
    {
      object: pod.object,
      path: '',
      message: `its proxy belongs to ${host.split('.')[0] ?? host}, and its namespace to revision ${wanted} by now; recreate it`,
    },
  ];
}

function bypassing(known: Known, pod: KnownPod): readonly Place[] {
  const workload = known.mesh.workloads.get(pod.uid);
  if (!pod.meshed || workload === undefined || workload.skipInboundPorts.length === 0) return [];
  const { namespace } = pod.object;
  const rules =
    known.mesh.roleBindingsIn(namespace).length > 0
      ? 'MeshRoleBindings'
      : known.mesh.settings.mtls === 'strict'
        ? 'mTLS mode Strict'
        : undefined;
  if (rules === undefined) return [];
  const path = pod.path === '' ? 'metadata.annotations' : `${pod.path}.metadata.annotations`;
  return [
    {
      object: pod.object,
      path,
      message: `port ${workload.skipInboundPorts.join(', ')} bypasses the proxy, so that ${rules} of namespace ${namespace} do not hold there; remove it from ${names.Annotation.skipInboundPorts}`,
    },
  ];
}

function opaqueHttp(known: Known, pod: KnownPod): readonly Place[] {
  const workload = known.mesh.workloads.get(pod.uid);
  if (workload === undefined || workload.opaquePorts.length === 0) return [];
  const services = [...known.mesh.services.values()].filter(
    ({ namespace, selector }) =>
      selector !== undefined && namespace === pod.object.namespace && hasLabels(pod.labels, selector),
  );
  const path = pod.path === '' ? 'metadata.annotations' : `${pod.path}.metadata.annotations`;
  return services.flatMap((service) =>
    service.ports.flatMap((port) => {
      const target =
        typeof port.targetPort === 'string'
          ? (workload.namedPorts[port.targetPort] ?? Number(port.targetPort))
          : port.targetPort;
      const protocol = declaredProtocol(port);
      return workload.opaquePorts.includes(target) && (protocol === 'http1' || protocol === 'http2')
        ? [
            {
              object: pod.object,
              path,
              message: `port ${target} is in ${names.Annotation.opaquePorts}, and Service ${service.name} declares it as HTTP; remove it there, or declare it as tcp`,
            },
          ]
        : [];
    }),
  );
}
