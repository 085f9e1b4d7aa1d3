import { rows } from './row.js';

/** What `weft check` finds of the installation. */
export const INSTALLATION_ROWS = rows([
  {
    code: 'WEFT901',
    severity: 'error',
    title: 'Something could not be looked at',
    meaning:
      'The API server did not answer a question of weft check, or refused it: nothing is known about that part.',
    remedy: 'Ask for the right to read it, or see the message.',
  },
  {
    code: 'WEFT902',
    severity: 'warning',
    title: 'Kubernetes older than what Weft is tested on',
    meaning: 'Nobody has tried whether Weft works on this version (docs/kubernetes-versions.md).',
    remedy: 'Upgrade the cluster.',
  },
  {
    code: 'WEFT903',
    severity: 'error',
    title: 'Kinds that are not installed',
    meaning: 'The API server does not know some or all kinds of weft.dev, so that nobody can write them.',
    remedy: 'Install the chart weft-crds, in the version of weft.',
  },
  {
    code: 'WEFT904',
    severity: 'error',
    title: 'Control plane that is not there',
    meaning:
      'No control plane of the revision is installed: pods get no proxy, no certificate and no configuration.',
    remedy: 'Install the chart weft, or name the revision that is there.',
  },
  {
    code: 'WEFT905',
    severity: 'error',
    title: 'Control plane that is not ready',
    meaning:
      'Replicas are missing, not ready, or of an older version than what was installed last. Proxies go on with what they have.',
    remedy: 'See why: describe the replicas; GET /ready on port 9090 of one says what it waits for.',
  },
  {
    code: 'WEFT906',
    severity: 'error',
    title: 'Issuer that cannot sign',
    meaning:
      'The Secret weft-issuer is missing, unreadable, or has ended: no certificate is issued, and those there are end within a day.',
    remedy: 'Do what the finding says; docs/operations.md describes a lost issuer.',
  },
  {
    code: 'WEFT907',
    severity: 'warning',
    title: 'Issuer that nobody has renewed',
    meaning:
      'The issuer ends within 60 days. One that Weft made the leader should have renewed long ago; one that you brought is yours to renew.',
    remedy:
      'See why in the log of the replica that leads; of your own, run weft identity offline again, or import its successor.',
  },
  {
    code: 'WEFT908',
    severity: 'warning',
    title: 'Root that is missing',
    meaning: 'The Secret weft-root is not there, so that the issuer cannot be renewed when its time comes.',
    remedy: 'Restore it from a backup.',
  },
  {
    code: 'WEFT909',
    severity: 'error',
    title: 'Webhook that is not in place',
    meaning:
      'The webhook configuration is missing, is not what the chart installs, or does not trust the issuer: pods get no proxy, or are refused.',
    remedy:
      'Delete it if it was changed, since Helm leaves what others added, then install the chart again with the values it had; the leader sets the certificate within seconds. Pods that are created in between have no proxy: weft check names them, and their workloads must be restarted.',
  },
  {
    code: 'WEFT910',
    severity: 'error',
    title: 'MeshConfig that is not honoured',
    meaning:
      'The MeshConfig cannot be read as written, or asks for less than the installation demands; the settings in force stay.',
    remedy: 'Correct it; the finding says what is in force.',
  },
  {
    code: 'WEFT911',
    severity: 'warning',
    title: 'Settings of a MeshConfig that is gone',
    meaning:
      'The MeshConfig was deleted, and its stricter settings stay in force, because nothing that is absent opens anything.',
    remedy: 'Create it again; to lower a setting, state it.',
  },
  {
    code: 'WEFT912',
    severity: 'warning',
    title: 'Mesh without a namespace',
    meaning: 'No namespace has joined, so that no pod has a proxy.',
    remedy: 'Label one weft.dev/inject=enabled, then recreate its pods.',
  },
  {
    code: 'WEFT913',
    severity: 'error',
    title: 'Namespace without the roots of the mesh',
    meaning:
      'The ConfigMap weft-trust of the namespace is missing or of other roots: its pods do not start, or refuse the rest of the mesh.',
    remedy: 'The leader writes it within minutes; if it does not, see its log.',
  },
  {
    code: 'WEFT914',
    severity: 'error',
    title: 'Quota or limit range that refuses the proxy',
    meaning: 'A ResourceQuota or LimitRange of the namespace refuses pods with the resources of the proxy.',
    remedy: 'Set the annotation of the namespace that the finding names.',
  },
  {
    code: 'WEFT915',
    severity: 'error',
    title: 'Pods that are refused',
    meaning: 'A workload of a namespace in the mesh has fewer pods than it wants, because they are refused.',
    remedy: 'Remove the cause that the API server names, then restart the workload.',
  },
  {
    code: 'WEFT916',
    severity: 'warning',
    title: 'Proxies with very many series of metrics',
    meaning:
      'A proxy holds more than 10,000 series: whoever scrapes it takes and keeps them all (docs/metrics-proxy.md says what bounds them).',
    remedy: 'See what the pod calls and who calls it, and whether all of that has to be scraped.',
  },
  {
    code: 'WEFT917',
    severity: 'warning',
    title: 'Callers or hosts that are no longer told apart',
    meaning:
      'A proxy has counted as many addresses of callers in plain text (256), or hosts outside the mesh that nobody declared (64), as it tells apart. Those beyond are counted as others.',
    remedy: 'Give the callers proxies, or declare the hosts as ExternalServices.',
  },
  {
    code: 'WEFT918',
    severity: 'error',
    title: 'CNI plugin that is not on every node',
    meaning:
      'cni.enabled is set, so pods get no init container that captures their traffic. On a node without the plugin pods of the mesh do not start.',
    remedy: 'Install the chart weft-cni, and see what its agents wait for (docs/cni.md).',
  },
  {
    code: 'WEFT931',
    severity: 'error',
    title: 'Right that an installation takes',
    meaning:
      'Who installs makes roles, webhooks and definitions of kinds, and may not: the installation would stop halfway.',
    remedy: 'Have an administrator of the cluster install Weft.',
  },
  {
    code: 'WEFT932',
    severity: 'warning',
    title: 'Another mesh in the cluster',
    meaning: 'A webhook of another mesh is installed. Both work beside each other, and never in one pod.',
    remedy: 'Let namespaces join one of them only.',
  },
  {
    code: 'WEFT933',
    severity: 'error',
    title: 'Quota that refuses the control plane',
    meaning:
      "A ResourceQuota of the control plane's namespace counts what its pods do not set, or leaves no room for them.",
    remedy: 'Change the quota, or set resources in the values of the chart.',
  },
]);
